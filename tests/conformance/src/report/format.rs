//! The forms of a report.

use super::{Report, html, junit, table};

/// A form in which a report can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// A matrix of areas and runtimes, and what failed.
    Table,
    /// One object, with every case.
    Json,
    /// JUnit's XML.
    Junit,
    /// A page that can be filtered.
    Html,
}

impl Format {
    /// The report in this form.
    pub fn render(self, report: &Report) -> String {
        match self {
            Format::Table => table(report),
            Format::Json => json(report),
            Format::Junit => junit(report),
            Format::Html => html(report),
        }
    }
}

/// The report as one JSON object: `runtimes`, and in it an object for each.
fn json(report: &Report) -> String {
    // The keys are strings, so there is nothing that JSON can't have.
    let mut text = serde_json::to_string_pretty(report).unwrap_or_default();
    text.push('\n');
    text
}
