//! The limits of plugins, as options of a command.

use std::time::Duration;

use clap::Args;
use enginebay::Limits;

use crate::run::values;

/// What each plugin may use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct LimitOptions {
    /// How long one callback may take, such as 200ms or 2s [default: 1s].
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    time_limit: Option<Duration>,
    /// How much memory each VM may have, such as 64MiB [default: 128MiB].
    #[arg(long, value_name = "SIZE", value_parser = values::size)]
    memory_limit: Option<u64>,
}

impl LimitOptions {
    /// The limits to make engines with.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            memory: self.memory_limit,
            call_time: self.time_limit,
            ..Limits::default()
        }
    }
}
