//! `cargo xtask test`: every test of the workspace.

use std::ffi::OsString;
use std::process::Command;

use anyhow::Result;

use crate::{needs, process, workspace};

/// Run every test with every runtime: `cargo nextest run` where cargo-nextest is installed, else `cargo test`; then the
/// documentation's examples. What the runtimes' builds need beyond Rust and a C compiler is installed first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Passed on to the first of the two commands (a filter, or an option such as `--release`).
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<OsString>,
}

/// Runs the tests.
///
/// # Errors
///
/// What the builds need is missing and can't be installed, a command cannot be started, or a test failed.
pub fn run(args: &Args) -> Result<()> {
    let has_nextest = process::has_nextest();
    let variables = needs::variables()?;
    for command in commands(has_nextest, &args.rest) {
        process::run(
            Command::new(process::cargo())
                .args(command)
                .envs(variables.iter().map(|(name, value)| (name, value)))
                .current_dir(workspace::root()),
        )?;
    }
    Ok(())
}

/// The arguments of each cargo command, in the order in which they run. nextest does not run documentation tests, and
/// `cargo test` cannot run them together with named targets, so those are always a command of their own.
fn commands(has_nextest: bool, rest: &[OsString]) -> Vec<Vec<OsString>> {
    let tests: &[&str] = if has_nextest {
        &["nextest", "run", "--workspace", "--all-features"]
    } else {
        &["test", "--workspace", "--all-features", "--all-targets"]
    };
    let tests = tests.iter().map(OsString::from).chain(rest.iter().cloned());
    let examples = ["test", "--workspace", "--all-features", "--doc"].map(OsString::from);
    vec![tests.collect(), examples.into()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(has_nextest: bool, rest: &[&str]) -> Vec<String> {
        let rest: Vec<OsString> = rest.iter().map(OsString::from).collect();
        commands(has_nextest, &rest)
            .iter()
            .map(|command| command.join(" ".as_ref()).into_string().unwrap())
            .collect()
    }

    #[test]
    fn nextest_is_used_where_it_is() {
        assert_eq!(
            shown(true, &[]),
            [
                "nextest run --workspace --all-features",
                "test --workspace --all-features --doc"
            ]
        );
        assert_eq!(
            shown(false, &[]),
            [
                "test --workspace --all-features --all-targets",
                "test --workspace --all-features --doc"
            ]
        );
    }

    #[test]
    fn more_arguments_go_to_the_first_command() {
        assert_eq!(
            shown(true, &["--release", "abi"]),
            [
                "nextest run --workspace --all-features --release abi",
                "test --workspace --all-features --doc"
            ]
        );
    }
}
