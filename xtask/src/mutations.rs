//! `cargo xtask mutations`: whether the conformance suite notices faults.

use std::env::consts::EXE_SUFFIX;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::{needs, process, workspace};

/// Make deliberate faults in the host and the backends, one by one, in a copy of the tree, and run the conformance suite
/// on each. Exits with 1 if it does not notice one; writes down which case noticed the others.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only those whose names have this in them. What is known of the others stays.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
}

/// One fault: a line of a file that becomes another one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// What is wrong with it.
    pub name: String,
    /// The file, from the root of the repository.
    pub file: PathBuf,
    /// What is there once, and once only. More than the line where that takes more.
    pub line: String,
    /// What is put in its place.
    pub becomes: String,
    /// The runtime that the suite is run on.
    pub runtime: String,
    /// The first case that failed, when it was last tried.
    pub caught_by: Option<String>,
    /// How many cases failed.
    pub failed: Option<usize>,
}

#[derive(Serialize, Deserialize)]
struct File {
    mutation: Vec<Mutation>,
}

const HEAD: &str = "\
# Deliberate faults, one line each, that the suite must catch: `cargo xtask mutations` makes them one by one in a copy of the
# tree, runs the suite on one runtime, and writes down which case failed first. docs/conformance.md shows them.
";

/// The part of the suite's report that matters here.
#[derive(Deserialize)]
struct Report {
    runtimes: std::collections::BTreeMap<String, Cases>,
}

#[derive(Deserialize)]
struct Cases {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    outcome: String,
}

/// Tries the mutations.
///
/// # Errors
///
/// A build fails, a mutation does not fit the source any more, or one was not noticed.
pub fn run(args: &Args) -> Result<()> {
    let mut mutations = read(&workspace::root())?;
    let tree = workspace::target_dir().join("mutations");
    copy_tree(&tree)?;
    let variables = needs::variables()?;
    let chosen = |mutation: &Mutation| args.only.as_ref().is_none_or(|only| mutation.name.contains(only));
    let mut missed = Vec::new();
    for at in (0..mutations.len())
        .filter(|at| chosen(&mutations[*at]))
        .collect::<Vec<_>>()
    {
        let mutation = mutations[at].clone();
        let original = mutate(&tree, &mutation)?;
        let failed = try_one(&tree, &mutation, &variables);
        fs::write(tree.join(&mutation.file), original)?;
        let failed = failed.with_context(|| mutation.name.clone())?;
        mutations[at].failed = Some(failed.len());
        mutations[at].caught_by = failed.into_iter().next();
        match &mutations[at].caught_by {
            Some(case) => println!("caught: {} ({case})", mutation.name),
            None => {
                println!("MISSED: {}", mutation.name);
                missed.push(mutation.name);
            }
        }
        // At once: what comes next may fail.
        write(&mutations)?;
    }
    match missed.is_empty() {
        true => Ok(()),
        false => bail!("the suite does not notice: {}", missed.join("; ")),
    }
}

fn path(root: &Path) -> PathBuf {
    root.join("tests/conformance/mutations.toml")
}

/// The mutations of a checkout.
///
/// # Errors
///
/// The file can't be read, or one of them does not fit its file.
pub fn read(root: &Path) -> Result<Vec<Mutation>> {
    let path = path(root);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let file: File = toml::from_str(&text).with_context(|| path.display().to_string())?;
    for mutation in &file.mutation {
        let text = fs::read_to_string(root.join(&mutation.file))
            .with_context(|| format!("{}: {}", mutation.name, mutation.file.display()))?;
        let count = text.matches(&mutation.line).count();
        if count != 1 {
            bail!(
                "{}: {}: `{}` is there {count} times, not once",
                mutation.name,
                mutation.file.display(),
                mutation.line
            );
        }
    }
    Ok(file.mutation)
}

fn write(mutations: &[Mutation]) -> Result<()> {
    let file = File {
        mutation: mutations.to_vec(),
    };
    let path = path(&workspace::root());
    fs::write(&path, format!("{HEAD}\n{}", toml::to_string(&file)?))
        .with_context(|| path.display().to_string())
}

/// Copies the files that git knows. What is the same already is left alone, so that a second run builds less.
fn copy_tree(tree: &Path) -> Result<()> {
    let root = workspace::root();
    let listed = Command::new("git")
        .arg("ls-files")
        .arg("-z")
        .current_dir(&root)
        .output()
        .context("git ls-files")?;
    if !listed.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr));
    }
    for name in String::from_utf8(listed.stdout)?.split_terminator('\0') {
        let (from, to) = (root.join(name), tree.join(name));
        if !from.is_file() {
            continue;
        }
        let content = fs::read(&from).with_context(|| name.to_owned())?;
        if fs::read(&to).is_ok_and(|there| there == content) {
            continue;
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&to, content).with_context(|| to.display().to_string())?;
    }
    Ok(())
}

/// Puts a fault in. What was in the file.
fn mutate(tree: &Path, mutation: &Mutation) -> Result<String> {
    let path = tree.join(&mutation.file);
    let original = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    fs::write(&path, original.replacen(&mutation.line, &mutation.becomes, 1))?;
    Ok(original)
}

/// The cases that fail.
fn try_one(
    tree: &Path,
    mutation: &Mutation,
    variables: &[(&'static str, std::ffi::OsString)],
) -> Result<Vec<String>> {
    let target = workspace::target_dir();
    process::run(
        Command::new(process::cargo())
            // As `cargo xtask conformance` does, so that the engines are built once.
            .args([
                "build",
                "--quiet",
                "--workspace",
                "--all-features",
                "--bin",
                "enginebay-conformance",
            ])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("CARGO_TARGET_DIR", &target)
            .current_dir(tree),
    )?;
    let report = target.join("mutations.json");
    // It fails when a case does, which is what is wanted.
    Command::new(target.join(format!("debug/enginebay-conformance{EXE_SUFFIX}")))
        .args([
            "--runtime",
            &mutation.runtime,
            "--time-limit",
            "20",
            "--format",
            "json",
            "--out",
        ])
        .arg(&report)
        .status()
        .context("cannot start the suite")?;
    let report: Report = serde_json::from_str(&fs::read_to_string(&report)?)?;
    let cases = report.runtimes.into_values().flat_map(|runtime| runtime.cases);
    Ok(cases
        .filter(|case| case.outcome == "failed")
        .map(|case| case.name)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fits_the_source_and_was_caught() {
        let mutations = read(&workspace::root()).unwrap();
        assert!(mutations.len() >= 20);
        for mutation in mutations {
            assert_ne!(mutation.line, mutation.becomes, "{}", mutation.name);
            assert!(mutation.caught_by.is_some(), "{}", mutation.name);
        }
    }
}
