//! `cargo xtask differential`: the same random cases on every engine, to see that all do the same.

use std::env::consts::EXE_SUFFIX;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{needs, process, workspace};

/// Play random sequences of callbacks and host calls, and random modules, on every WebAssembly runtime, and compare statuses,
/// memory, logs and traps. Exits with 1 on a difference, after printing the smallest case that shows it and the seed to repeat
/// it with. What the runtimes' builds need beyond Rust and a C compiler is installed first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The seed of the first case; each further one is the next number.
    #[arg(long, value_name = "N", default_value = "1")]
    seed: String,
    /// Cases of each kind: 1000, or as many as there is time for.
    #[arg(long, value_name = "N")]
    count: Option<String>,
    /// How long, in minutes, for each kind.
    #[arg(long, value_name = "N")]
    minutes: Option<String>,
    /// Compare these runtimes alone, each with the first.
    #[arg(long = "runtime", value_name = "NAME")]
    runtimes: Vec<String>,
    /// `scripts` or `modules` alone.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Name each seed before its case is played: the last one is that of a crash.
    #[arg(long)]
    verbose: bool,
    /// Show what happens in the first case on the first runtime, and compare nothing.
    #[arg(long)]
    trace: bool,
}

/// Builds the comparison and runs it.
///
/// # Errors
///
/// What the build needs is missing and can't be installed, the build fails, or two runtimes differ.
pub fn run(args: &Args) -> Result<()> {
    let variables = needs::variables()?;
    process::run(
        Command::new(process::cargo())
            .args(["build", "--all-features", "--package", "enginebay-differential"])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(workspace::root()),
    )?;
    let program = format!("enginebay-differential{EXE_SUFFIX}");
    process::run(&mut command(
        args,
        &workspace::target_dir().join("debug").join(program),
    ))
}

fn command(args: &Args, program: &Path) -> Command {
    let mut command = Command::new(program);
    command.args(["--seed", &args.seed]);
    for (name, value) in [("--count", &args.count), ("--minutes", &args.minutes)] {
        command.args(value.iter().flat_map(|value| [name, value]));
    }
    for (name, values) in [("--runtime", &args.runtimes), ("--kind", &args.kinds)] {
        command.args(values.iter().flat_map(|value| [name, value]));
    }
    for (name, on) in [("--verbose", args.verbose), ("--trace", args.trace)] {
        command.args(on.then_some(name));
    }
    command
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Task {
        #[command(flatten)]
        args: Args,
    }

    fn passed(args: &[&str]) -> String {
        let args = Task::parse_from([&["differential"], args].concat()).args;
        let command = command(&args, Path::new("program"));
        let passed: Vec<_> = command
            .get_args()
            .filter_map(|argument| argument.to_str())
            .collect();
        passed.join(" ")
    }

    #[test]
    fn what_was_asked_for_is_passed_on() {
        assert_eq!(passed(&[]), "--seed 1");
        let all = "--seed 7 --count 3 --minutes 0.5 --runtime a --runtime b --kind scripts --verbose --trace";
        let args: Vec<&str> = all.split(' ').collect();
        assert_eq!(passed(&args), all);
    }
}
