//! The command line.

use clap::{Parser, Subcommand};

use crate::compile::CompileArgs;
use crate::inspect::InspectArgs;
use crate::run::RunArgs;
use crate::runtimes::RuntimesArgs;
use crate::serve::ServeArgs;

/// Run Proxy-Wasm plugins on the engine of your choice.
#[derive(Debug, Parser)]
#[command(name = "enginebay", version, propagate_version = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Run(Box<RunArgs>),
    Serve(ServeArgs),
    Runtimes(RuntimesArgs),
    Inspect(InspectArgs),
    Compile(CompileArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_an_example() {
        for command in Cli::command().get_subcommands() {
            let example = command
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let start = format!("  enginebay {} ", command.get_name());
            assert!(
                example.contains(start.trim_end()),
                "{}: {example:?}",
                command.get_name()
            );
        }
    }
}
