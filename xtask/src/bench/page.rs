//! What is written: the pages, JSON, numbers.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::workspace;

/// The page with the marks of this name.
fn page_of(mark: &str) -> PathBuf {
    let name = if mark == "price" {
        "price-list.md"
    } else {
        "performance.md"
    };
    workspace::root().join("docs").join(name)
}

/// Puts text between the marks of this name.
pub(super) fn replace(mark: &str, text: &str) -> Result<()> {
    let file = page_of(mark);
    let old = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let new =
        between(&old, mark, text).with_context(|| format!("{} has no place for {mark}", file.display()))?;
    std::fs::write(&file, new).with_context(|| format!("cannot write {}", file.display()))
}

fn between(old: &str, mark: &str, text: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- begin: {mark} -->"), format!("<!-- end: {mark} -->"));
    let (before, rest) = old.split_once(&begin)?;
    let (_, after) = rest.split_once(&end)?;
    Some(format!("{before}{begin}\n{}\n{end}{after}", text.trim_end()))
}

pub(super) fn write_json(file: &Path, value: &impl Serialize) -> Result<()> {
    let json = serde_json::to_string_pretty(value)?;
    std::fs::write(file, json).with_context(|| format!("cannot write {}", file.display()))
}

pub(super) fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
}

/// The machine the figures are from.
pub(super) fn machine() -> String {
    let cpuinfo = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpuinfo
        .lines()
        .find_map(|line| {
            line.strip_prefix("model name")?
                .split_once(':')
                .map(|(_, name)| name.trim())
        })
        .unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let rustc = Command::new("rustc").arg("--version").output();
    let rustc = rustc.map_or_else(
        |_| String::new(),
        |out| String::from_utf8_lossy(&out.stdout).trim().to_owned(),
    );
    format!(
        "Machine: {cpu}, {cores} cores, {} {}; {rustc}.",
        std::env::consts::OS,
        std::env::consts::ARCH
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_goes_between_the_marks_and_nothing_else_changes() {
        let old = "a\n<!-- begin: x -->\nold\n<!-- end: x -->\nb <!-- begin: y --><!-- end: y -->";
        assert_eq!(
            between(old, "x", "new\n").unwrap(),
            "a\n<!-- begin: x -->\nnew\n<!-- end: x -->\nb <!-- begin: y --><!-- end: y -->"
        );
        assert_eq!(between(old, "z", "new"), None);
    }

    #[test]
    fn the_pages_have_a_place_for_everything() {
        for mark in super::super::MARKS {
            let page = std::fs::read_to_string(page_of(mark)).unwrap();
            assert!(between(&page, mark, "").is_some(), "{mark}");
        }
    }
}
