//! The report as text for a terminal.

use std::fmt::Write as _;

use super::matrix::Matrix;
use super::{CaseOutcome, HostReport, Report};

/// The matrix of areas and runtimes, what failed, what failed as expected, and a line for each runtime.
pub fn table(report: &Report) -> String {
    let mut text = String::new();
    grid(&mut text, &Matrix::of(report).rows());
    for (runtime, host) in &report.runtimes {
        for case in &host.cases {
            if let CaseOutcome::Failed { why } = &case.outcome {
                let why = visible(why).replace('\n', "\n    ");
                writeln!(text, "\nFAILED {runtime} {}\n    {why}", visible(&case.name)).ok();
            }
        }
    }
    let mut begun = false;
    for (runtime, host) in &report.runtimes {
        for case in &host.cases {
            if let CaseOutcome::ExpectedFailure { reason, .. } = &case.outcome {
                if !std::mem::replace(&mut begun, true) {
                    text.push('\n');
                }
                let (name, reason) = (visible(&case.name), visible(reason));
                writeln!(text, "expected to fail: {runtime} {name}: {reason}").ok();
            }
        }
    }
    text.push('\n');
    for (runtime, host) in &report.runtimes {
        writeln!(text, "{runtime}: {}", summary(host)).ok();
    }
    text
}

/// The counts of a host, and how long it took.
pub fn summary(host: &HostReport) -> String {
    let seconds: f64 = host.cases.iter().map(|case| case.seconds).sum();
    format!(
        "{} passed, {} failed, {} expected failures, {} not applicable, {seconds:.1} s",
        host.passed, host.failed, host.expected_failures, host.not_applicable
    )
}

/// Rows with columns of one width.
fn grid(text: &mut String, rows: &[Vec<String>]) {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, "{cell:width$}  ").ok();
        }
        writeln!(text, "{}", line.trim_end()).ok();
    }
}

/// Text that does nothing to a terminal: what a guest or an engine says may have any character in it.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    for c in text.chars() {
        match c {
            '\n' => shown.push(c),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    shown
}
