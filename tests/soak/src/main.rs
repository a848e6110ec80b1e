//! `enginebay-soak`: see the library, and `cargo xtask soak`.

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use enginebay_soak::{Options, run};

/// Put mixed load on a server and see that nothing is left behind. Exits with 1 if something is.
#[derive(Debug, Parser)]
struct Args {
    /// The program `enginebay`.
    #[arg(long, value_name = "FILE")]
    server: PathBuf,
    /// How long, in minutes.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    minutes: f64,
    /// The runtime of all plugins.
    #[arg(long, value_name = "NAME", default_value = "envoy.wasm.runtime.wasmtime")]
    runtime: String,
    /// Clients at once.
    #[arg(long, value_name = "N", default_value_t = 32)]
    connections: usize,
    /// What is random is the same for the same seed, apart from the time that things take.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let Ok(time) = Duration::try_from_secs_f64(args.minutes * 60.0) else {
        eprintln!("error: {} minutes can't be", args.minutes);
        return ExitCode::FAILURE;
    };
    let options = Options {
        server: args.server,
        runtime: args.runtime,
        time,
        connections: args.connections,
        seed: args.seed,
    };
    match run(&options) {
        Ok(verdict) => {
            println!("{verdict}");
            if verdict.is_ok() {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
