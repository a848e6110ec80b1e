//! `cargo xtask`: the project's tasks. One module of the library per subcommand.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::{
    abi, bench, conformance, differential, features, fuzz, guard, guests, mutations, needs, parity, soak,
    test,
};

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
    Conformance(conformance::Args),
    Differential(differential::Args),
    Features(features::Args),
    Fuzz(fuzz::Args),
    Guard(guard::Args),
    Guests(guests::Args),
    #[command(hide = true)]
    Load(bench::vs_envoy::generator::Args),
    #[command(hide = true)]
    Pace(bench::vs_envoy::pace::Args),
    Mutations(mutations::Args),
    Needs(needs::Args),
    Parity(parity::Args),
    Soak(soak::Args),
    Test(test::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Abi(args) => abi::run(&args),
        Task::Bench(args) => bench::run(&args),
        // Its exit code says more than whether it worked.
        Task::Conformance(args) => match conformance::run(&args) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
        Task::Differential(args) => differential::run(&args),
        Task::Features(args) => features::run(&args),
        Task::Fuzz(args) => fuzz::run(&args),
        Task::Guard(args) => guard::run(&args),
        Task::Guests(args) => guests::run(&args),
        Task::Load(args) => bench::vs_envoy::generator::run(&args),
        Task::Pace(args) => bench::vs_envoy::pace::run(&args),
        Task::Mutations(args) => mutations::run(&args),
        Task::Needs(args) => needs::run(&args),
        // Likewise.
        Task::Parity(args) => match parity::run(&args) {
            Ok(code) => return code,
            Err(error) => Err(error),
        },
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
