//! `cargo xtask guard`: how many instructions a stream takes, compared with numbers in the repository.
//!
//! Instructions are counted by Valgrind's callgrind, and are the same on a busy machine as on an idle one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::{needs, process, workspace};

/// Count the instructions of streams through the host, and compare them with those in tests/bench/guard.toml: more than
/// five in a hundred away, in either direction, is a failure. Takes Valgrind.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write what is counted into tests/bench/guard.toml, instead of comparing.
    #[arg(long)]
    write: bool,
}

/// How far a count may be from that of the file, in hundredths.
const TOLERANCE: f64 = 5.0;

/// Streams of the first run; the second has twice as many. What is not a stream, such as the start, is in both.
const STREAMS: u64 = 10_000;

const RUNTIMES: [&str; 2] = ["wasmtime", "null"];
const GUESTS: [&str; 2] = ["noop", "header_filter"];

/// What is compiled as in a release. Of the rest only [`UNCHECKED`] is not as the tests have it, so that most of the engines
/// is built once for both.
const OURS: [&str; 11] = [
    "enginebay",
    "enginebay-abi",
    "enginebay-bench",
    "enginebay-engine",
    "enginebay-foreign",
    "enginebay-host",
    "enginebay-runtime-null",
    "enginebay-runtime-wasmtime",
    "header_filter",
    "noop",
    "proxy-wasm",
];

const UNASSERTED: &str = "debug-assertions=false";
const SETTINGS: [&str; 4] = [
    "opt-level=3",
    UNASSERTED,
    "overflow-checks=false",
    "codegen-units=1",
];

/// What asserts so much on the way of a call that nothing else would be seen.
const UNCHECKED: [&str; 1] = ["wasmtime"];

/// tests/bench/guard.toml: instructions per stream, by runtime and guest.
#[derive(Debug, Default, Deserialize, PartialEq)]
#[serde(transparent)]
struct Counts(BTreeMap<String, BTreeMap<String, f64>>);

/// Counts, and compares or writes.
///
/// # Errors
///
/// Valgrind is missing, the build or a run fails, or a count is too far from that of the file.
pub fn run(args: &Args) -> Result<()> {
    if !process::exists("valgrind") {
        bail!("there is no valgrind: install it (on Debian: apt-get install valgrind)");
    }
    let program = build()?;
    let mut counts = Counts::default();
    for runtime in RUNTIMES {
        for guest in GUESTS {
            let once = instructions(&program, runtime, guest, STREAMS)?;
            let twice = instructions(&program, runtime, guest, 2 * STREAMS)?;
            let each = twice.saturating_sub(once) as f64 / STREAMS as f64;
            eprintln!("{guest} on {runtime}: {each:.0} instructions per stream");
            counts
                .0
                .entry(runtime.to_owned())
                .or_default()
                .insert(guest.to_owned(), each.round());
        }
    }
    let file = workspace::root().join("tests").join("bench").join("guard.toml");
    if args.write {
        return std::fs::write(&file, counts.text())
            .with_context(|| format!("cannot write {}", file.display()));
    }
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let expected: Counts =
        toml::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?;
    let wrong = counts.differences(&expected);
    if !wrong.is_empty() {
        bail!(
            "{}\nIf that is meant, or better: cargo xtask guard --write",
            wrong.join("\n")
        );
    }
    Ok(())
}

impl Counts {
    fn text(&self) -> String {
        let mut text = String::from(
            "# Instructions per stream, by runtime and guest, as `cargo xtask guard` counts them.\n\
             # Written by `cargo xtask guard --write`.\n",
        );
        for (runtime, guests) in &self.0 {
            let _ = writeln!(text, "\n[{runtime}]");
            for (guest, count) in guests {
                let _ = writeln!(text, "{guest} = {count:.0}");
            }
        }
        text
    }

    /// What is too far from what is expected.
    fn differences(&self, expected: &Counts) -> Vec<String> {
        let mut wrong = Vec::new();
        for (runtime, guests) in &self.0 {
            for (guest, count) in guests {
                let Some(expected) = expected.0.get(runtime).and_then(|guests| guests.get(guest)) else {
                    wrong.push(format!("{guest} on {runtime}: nothing to compare with"));
                    continue;
                };
                let percent = (count / expected - 1.0) * 100.0;
                if percent.abs() > TOLERANCE {
                    wrong.push(format!(
                        "{guest} on {runtime}: {count:.0} instructions per stream, {percent:+.1} % of {expected:.0}"
                    ));
                }
            }
        }
        wrong
    }
}

/// The program whose instructions are counted: from the tests' build, but for the crates that are ours.
fn build() -> Result<PathBuf> {
    let variables = needs::variables()?;
    let mut command = Command::new(process::cargo());
    command
        // The whole workspace, because that decides on the dependencies' features.
        .args(["build", "--workspace", "--all-features", "--example", "streams"])
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .current_dir(workspace::root());
    let ours = OURS
        .iter()
        .flat_map(|package| SETTINGS.map(|setting| (package, setting)));
    let unchecked = UNCHECKED.iter().map(|package| (package, UNASSERTED));
    for (package, setting) in ours.chain(unchecked) {
        command
            .arg("--config")
            .arg(format!("profile.dev.package.{package}.{setting}"));
    }
    eprintln!("building as `cargo test` does, with the optimisations of a release for what is ours");
    process::run_unshown(&mut command)?;
    Ok(workspace::target_dir()
        .join("debug")
        .join("examples")
        .join("streams"))
}

/// All instructions of one run.
fn instructions(program: &Path, runtime: &str, guest: &str, streams: u64) -> Result<u64> {
    let folder = tempfile::tempdir()?;
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!(
            "--callgrind-out-file={}",
            folder.path().join("out").display()
        ))
        // Compiled guests are written into memory while the program runs.
        .arg("--smc-check=all-non-file")
        .arg(program)
        .args([runtime, guest, &streams.to_string()])
        // One thread compiles, so that waiting threads are not counted.
        .env("RAYON_NUM_THREADS", "1")
        .output()
        .context("cannot start valgrind")?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{guest} on {runtime} under valgrind: {}\n{report}", output.status);
    }
    collected(&report).with_context(|| format!("valgrind said something else:\n{report}"))
}

/// Reads callgrind's `Collected : 123`.
fn collected(report: &str) -> Option<u64> {
    let line = report.lines().find_map(|line| line.split_once("Collected :"))?.1;
    line.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(wasmtime: f64) -> Counts {
        let guests = BTreeMap::from([("noop".to_owned(), wasmtime)]);
        Counts(BTreeMap::from([("wasmtime".to_owned(), guests)]))
    }

    #[test]
    fn more_and_fewer_are_both_told() {
        let expected = counts(1000.0);
        assert_eq!(counts(1049.0).differences(&expected), [""; 0]);
        assert_eq!(
            counts(1060.0).differences(&expected),
            ["noop on wasmtime: 1060 instructions per stream, +6.0 % of 1000"]
        );
        assert_eq!(counts(900.0).differences(&expected).len(), 1);
        assert_eq!(
            counts(1000.0).differences(&Counts::default()),
            ["noop on wasmtime: nothing to compare with"]
        );
    }

    #[test]
    fn the_file_is_read_as_it_is_written() {
        let counts = counts(1234.0);
        assert_eq!(toml::from_str::<Counts>(&counts.text()).unwrap(), counts);
    }

    #[test]
    fn the_file_has_a_number_for_each() {
        let text = std::fs::read_to_string(workspace::root().join("tests/bench/guard.toml")).unwrap();
        let counts: Counts = toml::from_str(&text).unwrap();
        for runtime in RUNTIMES {
            for guest in GUESTS {
                assert!(counts.0[runtime][guest] > 0.0, "{guest} on {runtime}");
            }
        }
    }

    #[test]
    fn the_count_is_found_in_the_report() {
        let report = "==7== Events    : Ir\n==7== Collected : 123456\n==7==\n";
        assert_eq!(collected(report), Some(123_456));
        assert_eq!(collected("==7== nothing"), None);
    }
}
