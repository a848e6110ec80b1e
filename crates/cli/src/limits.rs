//! The limits of plugins, as options of a command.

use std::time::Duration;

use clap::Args;
use enginebay::Limits;

use crate::run::values;

/// What each plugin may use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitOptions {
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
}

impl LimitOptions {
    /// The limits to make engines with.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            memory: self.memory_limit,
            table_elements: self.table_limit,
            call_time: self.time_limit,
            stack: self
                .stack_limit
                .map(|size| usize::try_from(size).unwrap_or(usize::MAX)),
        }
    }
}
