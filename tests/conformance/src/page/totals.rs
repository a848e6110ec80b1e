//! How many cases there are for each runtime, and which of them it need not pass.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use crate::candidate::Candidate;
use crate::process::{self, Options};
use crate::report::matrix::Matrix;
use crate::report::{CaseOutcome, CaseReport, HostReport, Report};
use crate::suite::area;

/// What must come of a run, as each runtime's own test makes sure: everything passes but what is expected to fail.
pub(super) fn presumed(candidates: &[Candidate]) -> Result<Report, String> {
    let mut report = Report::default();
    for candidate in candidates {
        let listed = process::list(candidate, Options::default().time_limit)
            .map_err(|why| format!("{}: {why}", candidate.name()))?;
        let unknown = candidate
            .expected()
            .iter()
            .find(|expected| !listed.iter().any(|case| expected.is_of(&case.name)));
        if let Some(unknown) = unknown {
            return Err(format!(
                "{} is expected to fail {}, which is no case",
                candidate.name(),
                unknown.case
            ));
        }
        let mut host = HostReport::default();
        for case in listed {
            let outcome = match (case.lacks, candidate.expects(&case.name)) {
                (Some(reason), _) => CaseOutcome::NotApplicable { reason },
                (None, None) => CaseOutcome::Passed,
                (None, Some(reason)) => CaseOutcome::ExpectedFailure {
                    why: String::new(),
                    reason: reason.to_owned(),
                },
            };
            host.push(CaseReport {
                name: case.name,
                outcome,
                seconds: 0.0,
            });
        }
        report.runtimes.insert(candidate.name().to_owned(), host);
    }
    Ok(report)
}

/// Areas and runtimes.
pub(super) fn matrix(page: &mut String, report: &Report) {
    page.push_str(
        "## Runtimes\nCases that pass, of those that run; *expected*: that fail, as is known; *n/a*: that the runtime \
         need not be asked.\n\n",
    );
    for (number, row) in Matrix::of(report).rows().iter().enumerate() {
        writeln!(page, "| {} |", row.join(" | ")).ok();
        if number == 0 {
            writeln!(page, "| --- |{}", " --: |".repeat(row.len().saturating_sub(1))).ok();
        }
    }
}

/// Why cases fail, and why they are not run.
pub(super) fn reasons(page: &mut String, report: &Report) {
    let mut expected: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
    let mut lacking: BTreeMap<(&str, &str), (usize, BTreeSet<&str>)> = BTreeMap::new();
    for (runtime, host) in &report.runtimes {
        for case in &host.cases {
            match &case.outcome {
                CaseOutcome::ExpectedFailure { reason, .. } => {
                    expected.entry((runtime, reason)).or_default().push(&case.name);
                }
                CaseOutcome::NotApplicable { reason } => {
                    let entry = lacking.entry((runtime, reason)).or_default();
                    entry.0 += 1;
                    entry.1.insert(area(&case.name));
                }
                CaseOutcome::Passed | CaseOutcome::Failed { .. } => {}
            }
        }
    }
    page.push_str("\n## Expected failures\nOne that passes fails the suite.\n\n");
    if expected.is_empty() {
        page.push_str("There are none.\n");
    } else {
        page.push_str("| runtime | reason | cases |\n| --- | --- | --- |\n");
    }
    for ((runtime, reason), cases) in expected {
        let cases: Vec<String> = cases.iter().map(|case| format!("`{case}`")).collect();
        writeln!(page, "| {runtime} | {} | {} |", cell(reason), cases.join(", ")).ok();
    }
    if lacking.is_empty() {
        return;
    }
    page.push_str("\n## Not applicable\n| runtime | reason | cases | areas |\n| --- | --- | --: | --- |\n");
    for ((runtime, reason), (count, areas)) in lacking {
        let areas: Vec<&str> = areas.into_iter().collect();
        writeln!(
            page,
            "| {runtime} | {} | {count} | {} |",
            cell(reason),
            areas.join(", ")
        )
        .ok();
    }
}

/// Text for a cell of a table.
pub(super) fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
