//! `cargo xtask conformance`: the conformance suite on every runtime, and its page.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};

use crate::{needs, process, workspace};

/// Where the page is in the checkout.
const PAGE: &str = "docs/conformance.md";

/// Run the conformance suite on every runtime, or write `docs/conformance.md` about it. Exits with 1 when a case failed and
/// with 2 when there was nothing to run. What the runtimes' builds need beyond Rust and a C compiler is installed first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the page. No case is run.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Fail if the page is not what would be written. No case is run.
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    suite: Suite,
}

/// Passed on as they are. What they mean, and what is wrong with them, the suite says.
#[derive(Debug, Default, clap::Args)]
struct Suite {
    /// Only this runtime, by its name or the last part of it; may be given several times.
    #[arg(long, value_name = "NAME")]
    runtime: Vec<OsString>,
    /// Only cases whose names match, such as `abi/0.2.1/proxy_log/*`; may be given several times.
    #[arg(long, value_name = "GLOB")]
    filter: Vec<OsString>,
    /// What the report looks like: table, json, junit or html.
    #[arg(long, value_name = "FORMAT")]
    format: Option<OsString>,
    /// Write the report into a file instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<OsString>,
    /// How long one case may take.
    #[arg(long, value_name = "SECONDS")]
    time_limit: Option<OsString>,
    /// Print the names of the cases instead of running them.
    #[arg(long)]
    list: bool,
}

/// Builds the suite, and runs it or writes its page.
///
/// # Errors
///
/// What the builds need is missing and can't be installed, the build fails, or the page can't be written or is another one.
pub fn run(args: &Args) -> Result<ExitCode> {
    let variables = needs::variables()?;
    process::run(
        Command::new(process::cargo())
            // With the features that `cargo xtask test` builds everything with, so that the engines are built once.
            .args([
                "build",
                "--workspace",
                "--all-features",
                "--bin",
                "enginebay-conformance",
            ])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(workspace::root()),
    )?;
    let program = format!("enginebay-conformance{EXE_SUFFIX}");
    let mut suite = Command::new(workspace::target_dir().join("debug").join(program));
    if args.write || args.check {
        return page(suite.arg("page"), args.write).map(|()| ExitCode::SUCCESS);
    }
    let status = suite.args(passed_on(&args.suite)).status()?;
    // One that a signal ended has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Writes or checks the page, which this command prints.
fn page(command: &mut Command, write: bool) -> Result<()> {
    let output = command.stderr(std::process::Stdio::inherit()).output()?;
    if !output.status.success() {
        bail!("{PAGE} can't be made");
    }
    let path = workspace::root().join(PAGE);
    if write {
        return std::fs::write(&path, output.stdout).with_context(|| format!("{PAGE} can't be written"));
    }
    if std::fs::read(&path).with_context(|| format!("{PAGE} can't be read"))? != output.stdout {
        bail!("{PAGE} is not current: run `cargo xtask conformance --write`");
    }
    Ok(())
}

/// The suite's own arguments.
fn passed_on(suite: &Suite) -> Vec<OsString> {
    let mut args = Vec::new();
    let mut option = |name: &str, value: &OsString| {
        // In one piece, so that a value with a dash in front stays one.
        let mut argument = OsString::from(format!("{name}="));
        argument.push(value);
        args.push(argument);
    };
    suite.runtime.iter().for_each(|name| option("--runtime", name));
    suite.filter.iter().for_each(|glob| option("--filter", glob));
    suite.format.iter().for_each(|format| option("--format", format));
    suite.out.iter().for_each(|file| option("--out", file));
    suite
        .time_limit
        .iter()
        .for_each(|limit| option("--time-limit", limit));
    args.extend(suite.list.then(|| "--list".into()));
    args
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
        let args = Task::parse_from([
            "conformance",
            "--filter",
            "abi/*",
            "--runtime=wasmi",
            "--runtime",
            "null",
            "--format=json",
            "--out",
            "report",
            "--time-limit=2",
            "--list",
        ]);
        assert_eq!(
            passed_on(&args.args.suite),
            [
                "--runtime=wasmi",
                "--runtime=null",
                "--filter=abi/*",
                "--format=json",
                "--out=report",
                "--time-limit=2",
                "--list",
            ]
        );
    }

    #[test]
    fn a_page_is_written_or_checked() {
        assert!(Task::try_parse_from(["conformance", "--write", "--check"]).is_err());
    }
}
