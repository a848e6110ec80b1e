//! What came of a run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use serde::Serialize;

/// What came of all cases.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// One for each case, by name.
    pub rows: Vec<Row>,
}

/// What came of a case.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub case: String,
    /// One for each server.
    pub verdicts: Vec<Verdict>,
}

/// What came of a case on a server.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// `envoy`, or the short name of a runtime.
    pub host: String,
    /// What is not as it should be.
    pub problems: Vec<String>,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// For reading.
    #[default]
    Table,
    /// For programs.
    Json,
}

impl Row {
    /// Whether there was a problem.
    pub fn has_failed(&self) -> bool {
        self.verdicts.iter().any(|verdict| !verdict.problems.is_empty())
    }
}

impl Report {
    /// Whether there was a problem.
    pub fn has_failed(&self) -> bool {
        self.rows.iter().any(Row::has_failed)
    }

    /// The report as text.
    ///
    /// # Errors
    ///
    /// JSON can't be made of it.
    pub fn text(&self, format: Format) -> Result<String, serde_json::Error> {
        match format {
            Format::Table => Ok(self.to_string()),
            Format::Json => serde_json::to_string_pretty(self).map(|text| text + "\n"),
        }
    }

    /// The servers, in the order in which they were asked.
    fn hosts(&self) -> Vec<&str> {
        let row = self.rows.iter().max_by_key(|row| row.verdicts.len());
        let verdicts = row.map_or(&[][..], |row| &row.verdicts);
        verdicts.iter().map(|verdict| verdict.host.as_str()).collect()
    }
}

impl Row {
    /// Servers that have problems, together where they have the same.
    fn failures(&self) -> Vec<(Vec<&str>, &[String])> {
        let mut failures: Vec<(Vec<&str>, &[String])> = Vec::new();
        for verdict in self
            .verdicts
            .iter()
            .filter(|verdict| !verdict.problems.is_empty())
        {
            match failures
                .iter_mut()
                .find(|(_, problems)| *problems == verdict.problems)
            {
                Some((hosts, _)) => hosts.push(&verdict.host),
                None => failures.push((vec![&verdict.host], &verdict.problems)),
            }
        }
        failures
    }
}

/// How many cases went well, of how many.
type Counts<'a> = BTreeMap<(&'a str, &'a str), (usize, usize)>;

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self.hosts();
        let mut counts = Counts::new();
        for row in &self.rows {
            let area = row.case.split('/').next().unwrap_or_default();
            for verdict in &row.verdicts {
                for area in [area, "all"] {
                    let (good, all) = counts.entry((area, &verdict.host)).or_default();
                    *good += usize::from(verdict.problems.is_empty());
                    *all += 1;
                }
            }
        }
        let areas: BTreeSet<&str> = counts
            .keys()
            .map(|(area, _)| *area)
            .filter(|area| *area != "all")
            .collect();
        let width = areas.iter().map(|area| area.len()).max().unwrap_or(0).max(4);
        let mut line = |area: &str, cell: &dyn Fn(&str) -> String| {
            let mut text = format!("{area:width$}");
            for host in &hosts {
                // To write to a string can't fail.
                let _ = write!(text, "  {:>9}", cell(host));
            }
            writeln!(out, "{}", text.trim_end())
        };
        line("", &|host| host.to_owned())?;
        for area in areas.into_iter().chain(["all"]) {
            line(area, &|host| match counts.get(&(area, host)) {
                Some((good, all)) => format!("{good}/{all}"),
                None => "-".to_owned(),
            })?;
        }
        for row in &self.rows {
            for (hosts, problems) in row.failures() {
                writeln!(out, "\n{} on {}", row.case, hosts.join(", "))?;
                for problem in problems {
                    writeln!(out, "  {problem}")?;
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_has_counts_and_failures() {
        let row = |case: &str, problem: Option<&str>| Row {
            case: case.to_owned(),
            verdicts: vec![Verdict {
                host: "wasmi".to_owned(),
                problems: problem.map(str::to_owned).into_iter().collect(),
            }],
        };
        let report = Report {
            rows: vec![row("body/one", None), row("body/two", Some("log:\n    - a"))],
        };
        assert!(report.has_failed());
        assert_eq!(
            report.to_string(),
            "          wasmi\nbody        1/2\nall         1/2\n\nbody/two on wasmi\n  log:\n    - a\n"
        );
    }
}
