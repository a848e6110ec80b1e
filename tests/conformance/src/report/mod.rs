//! What came of a run of the suite, and the forms in which it can be read.

mod format;
mod html;
mod junit;
pub(crate) mod matrix;
mod table;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::suite::area;

pub use format::Format;
pub use html::html;
pub use junit::junit;
pub use table::{summary, table};

/// A run of the suite on some hosts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// The hosts, by name.
    pub runtimes: BTreeMap<String, HostReport>,
}

/// A run of the suite on one host.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct HostReport {
    /// How many cases passed.
    pub passed: usize,
    /// How many failed, or passed though they were expected to fail.
    pub failed: usize,
    /// How many failed, as was expected.
    pub expected_failures: usize,
    /// How many the host need not be asked.
    pub not_applicable: usize,
    /// All of them, in the order in which they ran.
    pub cases: Vec<CaseReport>,
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    /// Its name.
    pub name: String,
    /// What came of it.
    #[serde(flatten)]
    pub outcome: CaseOutcome,
    /// How long it took.
    pub seconds: f64,
}

/// What came of one case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum CaseOutcome {
    /// Everything was as it must be.
    Passed,
    /// Something was not.
    Failed {
        /// What: a line, or several.
        why: String,
    },
    /// Something was not, as was expected.
    ExpectedFailure {
        /// What.
        why: String,
        /// Why that is expected.
        reason: String,
    },
    /// The host need not be asked.
    NotApplicable {
        /// Why.
        reason: String,
    },
}

impl CaseOutcome {
    /// What came of a case that did this, and was expected to fail for that reason.
    pub fn of(result: Result<(), String>, expected: Option<&str>) -> Self {
        match (result, expected) {
            (Ok(()), None) => CaseOutcome::Passed,
            (Ok(()), Some(reason)) => CaseOutcome::Failed {
                why: format!("passed, though it was expected to fail: {reason}"),
            },
            (Err(why), None) => CaseOutcome::Failed { why },
            (Err(why), Some(reason)) => CaseOutcome::ExpectedFailure {
                why,
                reason: reason.to_owned(),
            },
        }
    }
}

impl HostReport {
    /// Adds a case to the end, and counts it.
    pub fn push(&mut self, case: CaseReport) {
        *match case.outcome {
            CaseOutcome::Passed => &mut self.passed,
            CaseOutcome::Failed { .. } => &mut self.failed,
            CaseOutcome::ExpectedFailure { .. } => &mut self.expected_failures,
            CaseOutcome::NotApplicable { .. } => &mut self.not_applicable,
        } += 1;
        self.cases.push(case);
    }

    /// What failed, a line or more for each.
    pub fn failures(&self) -> Vec<String> {
        let failures = self.cases.iter().filter_map(|case| match &case.outcome {
            CaseOutcome::Failed { why } => Some(format!("{}: {why}", case.name)),
            _ => None,
        });
        failures.collect()
    }
}

impl CaseReport {
    /// The case's area: see [`area`].
    pub fn area(&self) -> &str {
        area(&self.name)
    }
}
