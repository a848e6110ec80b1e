//! The `enginebay` command.

#![forbid(unsafe_code)]

mod args;
mod compile;
mod engine_args;
mod error;
mod inspect;
mod names;
#[cfg(feature = "null")]
mod native;
mod output;
mod run;
mod runtimes;
mod serve;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use error::Error;

/// Requests make many small allocations. With this one a request without a filter takes 4 % fewer instructions than with
/// glibc's, and the server more memory (`docs/performance.md`, "Beside Envoy").
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(error) => {
            output::error(&error);
            ExitCode::FAILURE
        }
    }
}

fn dispatch(cli: Cli) -> Result<ExitCode, Error> {
    match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Serve(args) => serve::run(args).map(|()| ExitCode::SUCCESS),
        Command::Runtimes(args) => runtimes::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Compile(args) => compile::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Inspect(args) => inspect::run(&args).map(|()| ExitCode::SUCCESS),
    }
}
