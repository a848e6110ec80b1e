//! Running other programs.

use std::ffi::{OsStr, OsString};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The cargo that runs xtask, else the one in `PATH`.
pub(crate) fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// Prints the command as one would type it, runs it to its end, and fails when it fails.
///
/// # Errors
///
/// It cannot be started, or does not exit with 0.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    eprintln!("$ {}", shown(command));
    run_unshown(command)
}

/// As [`run`], for a command that is too long to be read.
///
/// # Errors
///
/// As [`run`].
pub(crate) fn run_unshown(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    let status = command
        .status()
        .with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed: {status}");
    }
    Ok(())
}

/// Whether cargo-nextest is installed.
pub(crate) fn has_nextest() -> bool {
    succeeds(Command::new(cargo()).args(["nextest", "--version"]))
}

/// Whether the command starts and exits with 0. Its output is not shown.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Whether a program of this name is in `PATH`.
pub(crate) fn exists(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    std::iter::once(program)
        .chain(command.get_args())
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_an_error_that_shows_it() {
        let error = run(Command::new(cargo()).args(["no-such-subcommand", "--flag"])).unwrap_err();
        assert!(
            error.to_string().contains("cargo no-such-subcommand --flag"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_program_is_an_error_and_does_not_succeed() {
        let error = run(&mut Command::new("no-such-program-here")).unwrap_err();
        assert!(error.to_string().contains("cannot start"), "{error}");
        assert!(!succeeds(&mut Command::new("no-such-program-here")));
        assert!(succeeds(Command::new(cargo()).arg("--version")));
        assert!(!exists("no-such-program-here"));
    }
}
