//! `cargo xtask fuzz`: the fuzzers, one after the other.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::{needs, process, workspace};

/// Every target, in the order in which they run; `fuzz/fuzz_targets` has their programs.
const TARGETS: [&str; 5] = ["pairs", "foreign", "config", "host_functions", "modules"];

/// Inputs longer than this are not tried.
const MAX_LEN: &str = "16384";

/// Seconds after which one input is a hang.
const TIMEOUT: &str = "60";

/// Run the fuzzers, one after the other, with all engines. Needs cargo-fuzz and a C++ compiler. They start from
/// `fuzz/corpus`; what is new goes to `fuzz/corpus` in the target folder, an input that fails to `fuzz/artifacts`. What the runtimes' builds need beyond Rust and a C compiler is
/// installed first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Targets; all of them without one.
    #[arg(value_name = "TARGET", value_parser = TARGETS)]
    targets: Vec<String>,
    /// How long, in minutes, over all of the targets together.
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = minutes)]
    minutes: f64,
}

fn minutes(text: &str) -> Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match minutes > 0.0 && minutes <= 100_000.0 {
        true => Ok(minutes),
        false => Err("not a number of minutes above 0".to_owned()),
    }
}

/// Builds the targets and runs them.
///
/// # Errors
///
/// cargo-fuzz is missing, what the builds need is missing and can't be installed, a build fails, or a target fails: then
/// the output says with which input.
pub fn run(args: &Args) -> Result<()> {
    if !process::succeeds(Command::new(process::cargo()).args(["fuzz", "--version"])) {
        bail!("cargo-fuzz is missing: install it with `cargo install cargo-fuzz --locked`");
    }
    let variables = needs::variables()?;
    for target in TARGETS {
        let folder = found(target);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    for command in commands(args, is_nightly()) {
        process::run(
            Command::new(process::cargo())
                .args(command)
                .envs(variables.iter().map(|(name, value)| (name, value)))
                .envs(CHECKS)
                .current_dir(workspace::root()),
        )?;
    }
    Ok(())
}

/// Assertions and checks of arithmetic, by way of the profile: cargo-fuzz's own flag would turn them on in wasmi too, whose
/// interpreter then uses up the stack.
const CHECKS: [(&str, &str); 2] = [
    ("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true"),
    ("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true"),
];

/// The arguments of each cargo command: the builds first, so that their time does not count.
fn commands(args: &Args, nightly: bool) -> Vec<Vec<String>> {
    let targets: Vec<&str> = match args.targets.as_slice() {
        [] => TARGETS.to_vec(),
        targets => targets.iter().map(String::as_str).collect(),
    };
    let seconds = (args.minutes * 60.0 / targets.len() as f64).ceil() as u64;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut options = words(&["--all-features", "--release", "--target-dir"]);
    options.push(target_dir().to_string_lossy().into_owned());
    // Sanitizers take a nightly toolchain.
    if !nightly {
        options.extend(words(&["--sanitizer", "none"]));
    }
    let build = |target: &&str| [words(&["fuzz", "build"]), options.clone(), words(&[target])].concat();
    let run = |target: &&str| {
        // What is new goes to the first folder: the second is replayed by every run of the tests.
        let corpora = [
            found(target),
            workspace::root().join("fuzz").join("corpus").join(target),
        ];
        let corpora = corpora.map(|folder| folder.to_string_lossy().into_owned());
        let limits = [
            "--".to_owned(),
            format!("-max_total_time={seconds}"),
            format!("-max_len={MAX_LEN}"),
            format!("-timeout={TIMEOUT}"),
            "-rss_limit_mb=4096".to_owned(),
        ];
        let target = words(&[target]);
        [
            words(&["fuzz", "run"]),
            options.clone(),
            target,
            corpora.to_vec(),
            limits.to_vec(),
        ]
        .concat()
    };
    targets.iter().map(build).chain(targets.iter().map(run)).collect()
}

/// Of its own: its flags differ from those of all other builds.
fn target_dir() -> PathBuf {
    workspace::target_dir().join("fuzz")
}

/// Where inputs go that reach something new.
fn found(target: &str) -> PathBuf {
    target_dir().join("corpus").join(target)
}

fn is_nightly() -> bool {
    let version = Command::new("rustc")
        .arg("--version")
        .current_dir(workspace::root())
        .output();
    version.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains("nightly"))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Task {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_time_is_divided_over_the_targets() {
        let args = Task::parse_from(["fuzz", "--minutes", "1", "pairs", "config"]).args;
        let commands = commands(&args, false);
        let first: Vec<_> = commands.iter().map(|command| command[1].as_str()).collect();
        assert_eq!(first, ["build", "build", "run", "run"]);
        for command in &commands[2..] {
            assert!(command.contains(&"-max_total_time=30".to_owned()), "{command:?}");
        }
        assert!(
            commands
                .iter()
                .all(|command| command.contains(&"none".to_owned()))
        );
    }

    #[test]
    fn a_nightly_toolchain_has_sanitizers() {
        let args = Task::parse_from(["fuzz"]).args;
        let commands = commands(&args, true);
        assert_eq!(commands.len(), 2 * TARGETS.len());
        assert!(!commands.concat().contains(&"--sanitizer".to_owned()));
    }

    #[test]
    fn every_program_is_a_target() {
        let folder = workspace::root().join("fuzz").join("fuzz_targets");
        let mut found: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| {
                entry
                    .unwrap()
                    .path()
                    .file_stem()
                    .unwrap()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect();
        found.sort();
        let mut expected = TARGETS.to_vec();
        expected.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn no_time_and_unknown_targets_are_refused() {
        assert!(Task::try_parse_from(["fuzz", "--minutes", "0"]).is_err());
        assert!(Task::try_parse_from(["fuzz", "other"]).is_err());
    }
}
