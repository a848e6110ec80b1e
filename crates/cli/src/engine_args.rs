//! How engines are set up, as options of a command.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use enginebay::engine::Compiler;
use enginebay::{Compilation, EngineOptions, Limits};

use crate::run::values;

/// What each plugin may use, and how it is compiled.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct EngineArgs {
    /// How long one callback may take, such as 200ms or 2s, or none [default: 1s].
    #[arg(long, value_name = "TIME", value_parser = values::time_limit)]
    time_limit: Option<Duration>,
    /// How much memory each VM may have, such as 64MiB [default: 128MiB].
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    memory_limit: Option<u64>,
    /// How many elements each table of a VM may have [default: 65536].
    #[arg(long, value_name = "N")]
    table_limit: Option<u32>,
    /// How deep the stack of a callback may be, such as 1MiB [default: 512KiB].
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    stack_limit: Option<u64>,
    /// Compile in a fraction of the time, to slower code, on a runtime that can.
    #[arg(long)]
    baseline_compiler: bool,
}

impl EngineArgs {
    /// The options to make engines with.
    pub(crate) fn options(&self) -> EngineOptions {
        let mut options = EngineOptions::with_limits(Limits {
            memory: self.memory_limit,
            table_elements: self.table_limit,
            call_time: self.time_limit,
            stack: self
                .stack_limit
                .map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        });
        if self.baseline_compiler {
            options.compiler = Compiler::Baseline;
        }
        options
    }
}

/// What becomes of compiled code.
#[derive(Debug, Args)]
#[command(next_help_heading = "Engine")]
pub(crate) struct CompilationArgs {
    /// Start with code that is compiled in a fraction of the time, on a runtime that can, and go over to better code when that
    /// has been compiled in the background: plugins are then started anew.
    #[arg(long, conflicts_with = "baseline_compiler")]
    baseline_first: bool,
    /// Keep compiled code in this directory, for the next start. Nobody else may be able to write to it.
    #[arg(long, value_name = "DIR")]
    compiled_cache: Option<PathBuf>,
}

impl CompilationArgs {
    /// The options for engines.
    pub(crate) fn options(&self) -> Compilation {
        let mut compilation = Compilation::default();
        compilation.directory.clone_from(&self.compiled_cache);
        compilation.baseline_first = self.baseline_first;
        compilation
    }
}
