//! What criterion found out.

use std::collections::BTreeMap;
use std::fs::DirEntry;
use std::path::Path;

use anyhow::{Context, Result};

/// All runtimes, in the order of the tables: those that compile, those that interpret, native code.
pub(super) const RUNTIMES: [&str; 5] = ["wasmtime", "wasmer", "wasmi", "wamr", "null"];

/// The lowest median of each benchmark, in nanoseconds, by group and function.
#[derive(Default)]
pub(super) struct Figures(BTreeMap<(String, String), f64>);

impl Figures {
    /// Takes in criterion's results of one round.
    pub(super) fn read(&mut self, results: &Path) -> Result<()> {
        let groups = std::fs::read_dir(results).with_context(|| {
            format!(
                "there are no results in {}: run without --last",
                results.display()
            )
        })?;
        for group in groups {
            let group = group?;
            if !group.file_type()?.is_dir() {
                continue;
            }
            for function in std::fs::read_dir(group.path())? {
                let function = function?;
                let file = function.path().join("new").join("estimates.json");
                let Ok(text) = std::fs::read_to_string(&file) else {
                    continue;
                };
                let estimates: serde_json::Value =
                    serde_json::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?;
                let median = estimates["median"]["point_estimate"]
                    .as_f64()
                    .with_context(|| format!("{} has no median", file.display()))?;
                let name = |entry: &DirEntry| entry.file_name().to_string_lossy().into_owned();
                let lowest = self.0.entry((name(&group), name(&function))).or_insert(median);
                *lowest = lowest.min(median);
            }
        }
        Ok(())
    }

    pub(super) fn get(&self, group: &str, function: &str) -> Option<f64> {
        self.0.get(&(group.to_owned(), function.to_owned())).copied()
    }

    #[cfg(test)]
    pub(super) fn of(figures: &[(&str, &str, f64)]) -> Self {
        let one =
            |(group, function, ns): &(&str, &str, f64)| (((*group).to_owned(), (*function).to_owned()), *ns);
        Figures(figures.iter().map(one).collect())
    }
}

/// One figure over another.
pub(super) fn ratio(below: Option<f64>, above: Option<f64>) -> Option<f64> {
    Some(above? / below?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(dir: &Path, path: &str, ns: f64) {
        let dir = dir.join(path).join("new");
        std::fs::create_dir_all(&dir).unwrap();
        let json = format!(r#"{{"median": {{"point_estimate": {ns}}}}}"#);
        std::fs::write(dir.join("estimates.json"), json).unwrap();
    }

    #[test]
    fn the_lowest_of_the_rounds_counts() {
        let dir = tempfile::tempdir().unwrap();
        result(dir.path(), "a/bare", 10.0);
        result(dir.path(), "a/host", 20.0);
        let mut figures = Figures::default();
        figures.read(dir.path()).unwrap();
        result(dir.path(), "a/bare", 99.0);
        result(dir.path(), "a/host", 15.0);
        figures.read(dir.path()).unwrap();
        assert_eq!(figures.get("a", "bare"), Some(10.0));
        assert_eq!(figures.get("a", "host"), Some(15.0));
        assert_eq!(figures.get("a", "else"), None);
        assert_eq!(
            ratio(figures.get("a", "bare"), figures.get("a", "host")),
            Some(1.5)
        );
    }

    #[test]
    fn no_results_are_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Figures::default()
            .read(&dir.path().join("none"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("run without --last"), "{error}");
    }
}
