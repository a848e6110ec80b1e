//! `cargo xtask soak`: mixed load on the server, to see that nothing is left behind.

use std::env::consts::EXE_SUFFIX;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};

use crate::{needs, process, workspace};

/// Put mixed load on `enginebay serve`: plugins of every kind, callouts, clients that go away. Exits with 1 when streams,
/// callouts, buffers or connections are left at the end, a VM failed, a response was wrong, or memory grew. What the
/// runtimes' builds need beyond Rust and a C compiler is installed first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How long, in minutes.
    #[arg(long, value_name = "N", default_value = "10")]
    minutes: String,
    /// The runtime of all plugins.
    #[arg(long, value_name = "NAME", default_value = "envoy.wasm.runtime.wasmtime")]
    runtime: String,
    /// Clients at once.
    #[arg(long, value_name = "N", default_value = "32")]
    connections: String,
    /// What is random is the same for the same seed.
    #[arg(long, value_name = "N", default_value = "1")]
    seed: String,
    /// Run the debug build that is there, instead of making a release build.
    #[arg(long)]
    debug: bool,
}

/// Builds the server and the load, and runs them.
///
/// # Errors
///
/// What the builds need is missing and can't be installed, a build fails or, with `--debug`, is not there, or something is
/// not as it should be.
pub fn run(args: &Args) -> Result<()> {
    let folder = workspace::target_dir().join(if args.debug { "debug" } else { "release" });
    let program = |name: &str| folder.join(format!("{name}{EXE_SUFFIX}"));
    let (server, load) = (program("enginebay"), program("enginebay-soak"));
    if args.debug {
        for file in [&server, &load] {
            if !file.exists() {
                bail!(
                    "there is no {}: cargo build --package enginebay-cli --package enginebay-soak --all-features",
                    file.display()
                );
            }
        }
    } else {
        let variables = needs::variables()?;
        process::run(
            Command::new(process::cargo())
                .args(["build", "--release", "--all-features"])
                .args(["--package", "enginebay-cli", "--package", "enginebay-soak"])
                .envs(variables.iter().map(|(name, value)| (name, value)))
                .current_dir(workspace::root()),
        )?;
    }
    process::run(&mut command(args, &load, server))
}

fn command(args: &Args, load: &Path, server: PathBuf) -> Command {
    let mut command = Command::new(load);
    command
        .arg("--server")
        .arg(server)
        .args(["--minutes", &args.minutes])
        .args(["--runtime", &args.runtime])
        .args(["--connections", &args.connections])
        .args(["--seed", &args.seed]);
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

    #[test]
    fn what_was_asked_for_is_passed_on() {
        let args = Task::parse_from(["soak", "--minutes", "0.5", "--seed", "7"]).args;
        let command = command(&args, Path::new("load"), PathBuf::from("server"));
        let passed: Vec<_> = command
            .get_args()
            .filter_map(|argument| argument.to_str())
            .collect();
        assert_eq!(
            passed,
            [
                "--server",
                "server",
                "--minutes",
                "0.5",
                "--runtime",
                "envoy.wasm.runtime.wasmtime",
                "--connections",
                "32",
                "--seed",
                "7"
            ]
        );
    }
}
