//! `cargo xtask`: the project's tasks. One module of the library per subcommand.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{abi, bench, features, fuzz, guests, needs, soak, test};

/// Tasks of this project.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    Abi(abi::Args),
    Bench(bench::Args),
    Features(features::Args),
    Fuzz(fuzz::Args),
    Guests(guests::Args),
    Needs(needs::Args),
    Soak(soak::Args),
    Test(test::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Abi(args) => abi::run(&args),
        Task::Bench(args) => bench::run(&args),
        Task::Features(args) => features::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Guests(args) => guests::run(&args),
        Task::Needs(args) => needs::run(&args),
        Task::Soak(args) => soak::run(&args),
        Task::Test(args) => test::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
