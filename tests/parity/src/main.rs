//! `enginebay-parity`, which `cargo xtask parity` builds and runs.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;
use enginebay_parity::{Format, Options, RUNTIMES, run};

/// Compare `enginebay serve` with Envoy, or with what Envoy answered before. Exits with 1 when they differ otherwise than
/// listed.
#[derive(Debug, Parser)]
#[command(name = "enginebay-parity")]
struct Args {
    /// The root of the checkout.
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    root: PathBuf,
    /// The program `enginebay`.
    #[arg(long, value_name = "PATH")]
    server: PathBuf,
    /// Envoy's program. Without it, the answers in tests/parity/answers are compared with.
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// Only this runtime; may be given several times.
    #[arg(long, value_name = "NAME", default_values_t = RUNTIMES.map(str::to_owned))]
    runtime: Vec<String>,
    /// Only cases whose names match, such as `body/*`; may be given several times.
    #[arg(long, value_name = "GLOB")]
    filter: Vec<String>,
    /// What the report looks like.
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t)]
    format: Format,
    /// Cases at once.
    #[arg(long, value_name = "N", default_value_t = 3)]
    jobs: usize,
    /// Write Envoy's answers into tests/parity/answers. Nothing is compared.
    #[arg(long, requires = "envoy")]
    write: bool,
}

fn main() -> ExitCode {
    match report(Args::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn report(args: Args) -> Result<ExitCode> {
    let report = run(&Options {
        root: std::path::absolute(args.root)?,
        envoy: args.envoy.map(std::path::absolute).transpose()?,
        server: std::path::absolute(args.server)?,
        runtimes: args.runtime,
        filter: args.filter,
        jobs: args.jobs,
        write: args.write,
    })?;
    print!("{}", report.text(args.format)?);
    Ok(ExitCode::from(u8::from(report.has_failed())))
}
