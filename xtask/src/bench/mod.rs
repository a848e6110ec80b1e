//! `cargo xtask bench`: what enginebay costs over the engines it runs on, as ratios measured in one run.

mod boundary;
mod figures;
mod life;
mod page;
mod part;
pub mod prices;
mod scale;
pub mod sizes;
mod stream;
pub mod vs_envoy;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use clap::ValueEnum;

use self::figures::Figures;
pub use self::part::Part;
use self::part::{Check, Outcome};
use crate::{needs, process, workspace};

/// Run the benchmarks and print ratios: the same guests on a bare engine, through the engine boundary, and through
/// the whole host. Each figure is the lowest of the rounds' medians. Exits with 1 when a ratio is over its budget. What
/// the runtimes' builds need beyond Rust and a C compiler is installed first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the tables into docs/performance.md and docs/price-list.md.
    #[arg(long)]
    write: bool,
    /// How often to run everything: what else the machine does comes and goes, and the lowest figure has the least of
    /// it [default: 3, and 5 with --vs-envoy].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Only these parts.
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<Part>,
    /// Fewer samples, which is quicker and less exact.
    #[arg(long)]
    quick: bool,
    /// Also run the streams through the crate `proxy-wasm-host`, built with this toolchain of rustup's: it needs Rust 1.96.
    #[arg(long, value_name = "TOOLCHAIN", conflicts_with = "last")]
    rivals: Option<String>,
    /// Print the results of the last round instead of running.
    #[arg(long)]
    last: bool,
    /// Also write the results as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure the server beside Envoy instead: processor time per request, requests per second, memory, time to ready.
    #[arg(long, conflicts_with_all = ["last", "only", "quick"])]
    vs_envoy: bool,
    #[command(flatten)]
    envoy: vs_envoy::Args,
}

/// The places in the pages that are written.
#[cfg(test)]
const MARKS: [&str; 6] = ["boundary", "stream", "life", "scale", "price", "vs-envoy"];

/// Runs the benchmarks.
///
/// # Errors
///
/// What the builds need is missing and can't be installed, a benchmark cannot be run or left no result, or a ratio is
/// over its budget.
pub fn run(args: &Args) -> Result<()> {
    if args.vs_envoy {
        return vs_envoy::run(
            &args.envoy,
            args.rounds.unwrap_or(5),
            args.json.as_deref(),
            args.write,
        );
    }
    let parts = if args.only.is_empty() {
        Part::value_variants()
    } else {
        &args.only
    };
    let results = workspace::target_dir().join("criterion");
    let mut figures = Figures::default();
    if args.last {
        figures.read(&results)?;
    } else {
        let variables = needs::variables()?;
        for _ in 0..args.rounds.unwrap_or(3) {
            let mut command = command(parts, args.quick, &results);
            process::run(command.envs(variables.iter().map(|(name, value)| (name, value))))?;
            if let Some(toolchain) = &args.rivals {
                process::run(&mut rivals(toolchain, args.quick, &results))?;
            }
            figures.read(&results)?;
        }
    }
    let outcomes: BTreeMap<&str, Outcome> = parts
        .iter()
        .map(|part| (part.name(), part.outcome(&figures)))
        .collect();
    for part in parts {
        println!("\n{}", outcomes[part.name()].text);
    }
    if let Some(file) = &args.json {
        page::write_json(file, &outcomes)?;
    }
    if args.write {
        for (name, outcome) in &outcomes {
            page::replace(name, &format!("{}\n\n{}", page::machine(), outcome.text))?;
        }
    }
    let checks = outcomes.values().flat_map(|outcome| &outcome.checks);
    let over: Vec<String> = checks
        .filter(|check| check.over_budget())
        .map(|Check { what, value, budget }| format!("{what}: {value:.2}, budget {budget}"))
        .collect();
    if !over.is_empty() {
        bail!("over budget: {}", over.join("; "));
    }
    Ok(())
}

/// One round of these parts.
fn command(parts: &[Part], quick: bool, results: &Path) -> Command {
    let mut command = Command::new(process::cargo());
    command.args(["bench", "--all-features"]).args([
        "--package",
        "enginebay-bench",
        "--package",
        "enginebay-bench-native",
    ]);
    for bench in parts.iter().flat_map(|part| part.benches()) {
        command.args(["--bench", bench]);
    }
    if quick {
        command.args(["--", "--quick"]);
    }
    command
        .env("CRITERION_HOME", results)
        .current_dir(workspace::root());
    command
}

/// The other hosts, in a workspace and a target folder of their own.
fn rivals(toolchain: &str, quick: bool, results: &Path) -> Command {
    // Not the cargo that runs this: rustup's, which knows toolchains.
    let mut command = Command::new("rustup");
    command.args(["run", toolchain, "cargo", "bench"]);
    if quick {
        command.args(["--", "--quick"]);
    }
    command
        .env("CRITERION_HOME", results)
        .env("CARGO_TARGET_DIR", workspace::target_dir().join("rivals"))
        // Set for the toolchain that runs this.
        .env_remove("RUSTUP_TOOLCHAIN")
        .current_dir(workspace::root().join("tests/bench/rivals"));
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_asked_for_runs() {
        let command = command(&[Part::Stream], true, Path::new("results"));
        let words: Vec<_> = command.get_args().filter_map(|word| word.to_str()).collect();
        assert_eq!(
            words[2..],
            [
                "--package",
                "enginebay-bench",
                "--package",
                "enginebay-bench-native",
                "--bench",
                "stream",
                "--bench",
                "native",
                "--",
                "--quick"
            ]
        );
    }
}
