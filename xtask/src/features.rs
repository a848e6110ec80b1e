//! `cargo xtask features`: every choice of one runtime, and of none, builds and passes its tests.

use std::process::Command;

use anyhow::{Result, bail};

use crate::{needs, process, workspace};

/// Test the library, the command and the guests with the features of one runtime alone, for each runtime, and with none.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only these: a runtime's feature, or `none`.
    #[arg(value_name = "FEATURE")]
    only: Vec<String>,
    /// Check that it compiles, with its tests, and don't run them.
    #[arg(long)]
    check: bool,
}

/// What there is to choose from.
const CHOICES: [&str; 6] = ["none", "null", "wasmi", "wasmtime", "wasmer", "wamr"];

/// What depends on the choice.
const PACKAGES: [&str; 3] = ["enginebay", "enginebay-cli", "enginebay-smoke-tests"];

/// Runs the tests of each choice.
///
/// # Errors
///
/// A choice that does not exist, or one whose tests fail.
pub fn run(args: &Args) -> Result<()> {
    if let Some(unknown) = args.only.iter().find(|name| !CHOICES.contains(&name.as_str())) {
        bail!("there is no choice {unknown}: there are {}", CHOICES.join(", "));
    }
    let runner = match (args.check, process::has_nextest()) {
        (true, _) => Runner::Check,
        (false, true) => Runner::Nextest,
        (false, false) => Runner::Test,
    };
    let variables = needs::variables()?;
    for choice in CHOICES {
        if !args.only.is_empty() && !args.only.iter().any(|name| name == choice) {
            continue;
        }
        process::run(
            Command::new(process::cargo())
                .args(arguments(choice, runner))
                .envs(variables.iter().map(|(name, value)| (name, value)))
                .current_dir(workspace::root()),
        )?;
    }
    Ok(())
}

/// What is done with each choice.
#[derive(Clone, Copy)]
enum Runner {
    Check,
    Nextest,
    Test,
}

fn arguments(choice: &str, runner: Runner) -> Vec<&str> {
    let command: &[&str] = match runner {
        Runner::Check => &["check", "--all-targets"],
        Runner::Nextest => &["nextest", "run", "--no-fail-fast"],
        Runner::Test => &["test", "--all-targets", "--no-fail-fast"],
    };
    let packages = PACKAGES.iter().flat_map(|package| ["--package", package]);
    let features: &[&str] = match choice {
        "none" => &["--no-default-features"],
        _ => &["--no-default-features", "--features"],
    };
    let choice = (choice != "none").then_some(choice);
    command
        .iter()
        .copied()
        .chain(packages)
        .chain(features.iter().copied())
        .chain(choice)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_feature_of_a_runtime_is_a_choice() {
        let manifest =
            std::fs::read_to_string(workspace::root().join("crates/enginebay/Cargo.toml")).unwrap();
        let all = manifest
            .lines()
            .find(|line| line.starts_with("all-runtimes"))
            .unwrap();
        let mut named: Vec<&str> = all.split('"').skip(1).step_by(2).collect();
        let mut choices: Vec<&str> = CHOICES.into_iter().filter(|choice| *choice != "none").collect();
        named.sort_unstable();
        choices.sort_unstable();
        assert_eq!(named, choices);
    }

    #[test]
    fn a_choice_is_one_feature_or_none() {
        let none = arguments("none", Runner::Check).join(" ");
        assert!(
            none.starts_with("check --all-targets --package enginebay "),
            "{none}"
        );
        assert!(none.ends_with("--no-default-features"), "{none}");
        let one = arguments("wamr", Runner::Nextest).join(" ");
        assert!(one.ends_with("--no-default-features --features wamr"), "{one}");
    }
}
