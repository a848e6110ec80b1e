//! Counts by area and runtime.

use std::collections::BTreeMap;
use std::fmt;

use super::{CaseOutcome, Report};
use crate::suite::area;

/// How many cases came to what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) expected: usize,
    pub(crate) not_applicable: usize,
}

impl Counts {
    /// One more.
    fn add(&mut self, outcome: &CaseOutcome) {
        *match outcome {
            CaseOutcome::Passed => &mut self.passed,
            CaseOutcome::Failed { .. } => &mut self.failed,
            CaseOutcome::ExpectedFailure { .. } => &mut self.expected,
            CaseOutcome::NotApplicable { .. } => &mut self.not_applicable,
        } += 1;
    }

    /// Cases that ran.
    pub(crate) fn ran(&self) -> usize {
        self.passed + self.failed + self.expected
    }
}

/// `118/120, 1 FAILED, 1 expected`: passed of those that ran, then what is not zero.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = Vec::new();
        if self.ran() > 0 {
            parts.push(format!("{}/{}", self.passed, self.ran()));
        }
        let others = [
            (self.failed, "FAILED"),
            (self.expected, "expected"),
            (self.not_applicable, "n/a"),
        ];
        let others = others.iter().filter(|(count, _)| *count > 0);
        parts.extend(others.map(|(count, what)| format!("{count} {what}")));
        match parts.is_empty() {
            true => f.write_str("-"),
            false => f.write_str(&parts.join(", ")),
        }
    }
}

/// Counts of a report.
pub(crate) struct Matrix<'a> {
    /// In the order of the names.
    pub(crate) runtimes: Vec<&'a str>,
    /// In the order of the names.
    pub(crate) areas: Vec<&'a str>,
    cells: BTreeMap<(&'a str, &'a str), Counts>,
}

impl<'a> Matrix<'a> {
    pub(crate) fn of(report: &'a Report) -> Self {
        let mut cells: BTreeMap<_, Counts> = BTreeMap::new();
        for (runtime, host) in &report.runtimes {
            for case in &host.cases {
                let cell = cells.entry((area(&case.name), runtime.as_str()));
                cell.or_default().add(&case.outcome);
            }
        }
        let mut areas: Vec<&str> = cells.keys().map(|(area, _)| *area).collect();
        areas.dedup();
        Matrix {
            runtimes: report.runtimes.keys().map(String::as_str).collect(),
            areas,
            cells,
        }
    }

    /// The counts of an area on a runtime.
    pub(crate) fn cell(&self, area: &str, runtime: &str) -> Counts {
        self.cells.get(&(area, runtime)).copied().unwrap_or_default()
    }

    /// A table's rows of text: the first has the runtimes' names, the last the sums.
    pub(crate) fn rows(&self) -> Vec<Vec<String>> {
        let row = |first: &str, cell: &dyn Fn(&str) -> String| {
            let cells = self.runtimes.iter().map(|runtime| cell(runtime));
            std::iter::once(first.to_owned()).chain(cells).collect()
        };
        let mut rows = vec![row("area", &str::to_owned)];
        let areas = self.areas.iter();
        rows.extend(areas.map(|area| row(area, &|runtime| self.cell(area, runtime).to_string())));
        rows.push(row("all", &|runtime| self.sum(runtime).to_string()));
        rows
    }

    fn sum(&self, runtime: &str) -> Counts {
        let cells = self.areas.iter().map(|area| self.cell(area, runtime));
        cells.fold(Counts::default(), |sum, cell| Counts {
            passed: sum.passed + cell.passed,
            failed: sum.failed + cell.failed,
            expected: sum.expected + cell.expected,
            not_applicable: sum.not_applicable + cell.not_applicable,
        })
    }
}
