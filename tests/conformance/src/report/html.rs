//! The report as a page without anything from elsewhere, which a person can filter.
//!
//! A row is a case and a column a runtime, and the tags that HTML lets one leave out are left out: thousands of cases are
//! some hundred kilobytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::matrix::{Counts, Matrix};
use super::{CaseOutcome, Report, summary};
use crate::suite::area;

const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// The page.
pub fn html(report: &Report) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=content-security-policy content=\"default-src 'none'; style-src 'unsafe-inline'; \
         script-src 'unsafe-inline'\">\n\
         <title>Proxy-Wasm conformance</title>\n<style>\n{STYLE}</style>\n<h1>Proxy-Wasm conformance</h1>\n"
    );
    let matrix = Matrix::of(report);
    counts(&mut page, report, &matrix);
    filters(&mut page, &matrix);
    cases(&mut page, report, &matrix);
    writeln!(page, "<script>\n{SCRIPT}</script>").ok();
    page
}

/// The matrix, and a line for each runtime.
fn counts(page: &mut String, report: &Report, matrix: &Matrix<'_>) {
    page.push_str(
        "<table class=matrix>\n<caption>Cases that passed, of those that ran</caption>\n<thead><tr>",
    );
    for (column, cell) in matrix.rows().first().into_iter().flatten().enumerate() {
        let kind = if column == 0 { "" } else { " class=num" };
        write!(page, "<th scope=col{kind}>{}", escaped(cell)).ok();
    }
    page.push_str("\n<tbody>\n");
    for area in &matrix.areas {
        write!(page, "<tr><th scope=row>{}", escaped(area)).ok();
        for runtime in &matrix.runtimes {
            let counts = matrix.cell(area, runtime);
            write!(page, "<td class=\"num {}\">{counts}", class(&counts)).ok();
        }
        page.push('\n');
    }
    page.push_str("</table>\n<ul>\n");
    for (runtime, host) in &report.runtimes {
        writeln!(
            page,
            "<li><strong>{}</strong>: {}",
            escaped(runtime),
            summary(host)
        )
        .ok();
    }
    page.push_str("</ul>\n");
}

fn class(counts: &Counts) -> &'static str {
    match counts {
        Counts { failed: 1.., .. } => "f",
        Counts { expected: 1.., .. } => "x",
        Counts { passed: 1.., .. } => "p",
        _ => "n",
    }
}

fn filters(page: &mut String, matrix: &Matrix<'_>) {
    let select = |page: &mut String, id: &str, label: &str, options: &[(&str, &str)]| {
        write!(page, "<label>{label} <select id={id}><option value=\"\">all").ok();
        for (value, shown) in options {
            write!(page, "<option value=\"{}\">{}", escaped(value), escaped(shown)).ok();
        }
        page.push_str("</select></label>\n");
    };
    page.push_str("<form>\n<label>Case <input id=text type=search placeholder=\"part of a name\"></label>\n");
    let runtimes: Vec<_> = matrix.runtimes.iter().map(|name| (*name, *name)).collect();
    select(page, "runtime", "Runtime", &runtimes);
    let areas: Vec<_> = matrix.areas.iter().map(|name| (*name, *name)).collect();
    select(page, "area", "Area", &areas);
    let outcomes = [
        ("f", "failed"),
        ("x", "expected failure"),
        ("p", "passed"),
        ("n", "not applicable"),
    ];
    select(page, "outcome", "Outcome", &outcomes);
    page.push_str("<output id=count></output>\n</form>\n");
}

/// The cases, in the order in which they ran, with a body for each area.
fn cases(page: &mut String, report: &Report, matrix: &Matrix<'_>) {
    let mut notes = Notes::default();
    page.push_str("<table id=cases>\n<thead><tr><th scope=col>case");
    for runtime in &matrix.runtimes {
        write!(page, "<th scope=col>{}", escaped(runtime)).ok();
    }
    page.push('\n');
    let outcomes: Vec<BTreeMap<&str, &CaseOutcome>> = report
        .runtimes
        .values()
        .map(|host| {
            host.cases
                .iter()
                .map(|case| (case.name.as_str(), &case.outcome))
                .collect()
        })
        .collect();
    for area in &matrix.areas {
        writeln!(page, "<tbody data-area=\"{}\">", escaped(area)).ok();
        for name in names(report, area) {
            write!(page, "<tr><td>{}", escaped(name)).ok();
            for host in &outcomes {
                notes.cell(page, host.get(name).copied());
            }
            page.push('\n');
        }
    }
    page.push_str("</table>\n");
    notes.write(page);
}

/// The names of an area's cases, as first seen.
fn names<'a>(report: &'a Report, of: &str) -> Vec<&'a str> {
    let mut seen = BTreeSet::new();
    let cases = report.runtimes.values().flat_map(|host| &host.cases);
    let names = cases.map(|case| case.name.as_str());
    names
        .filter(|name| area(name) == of && seen.insert(*name))
        .collect()
}

/// Reasons that many cases share, by number.
#[derive(Default)]
struct Notes<'a> {
    numbers: BTreeMap<&'a str, usize>,
}

impl<'a> Notes<'a> {
    fn number(&mut self, reason: &'a str) -> usize {
        let next = self.numbers.len() + 1;
        *self.numbers.entry(reason).or_insert(next)
    }

    fn cell(&mut self, page: &mut String, outcome: Option<&'a CaseOutcome>) {
        match outcome {
            None => page.push_str("<td>"),
            Some(CaseOutcome::Passed) => page.push_str("<td class=p>ok"),
            Some(CaseOutcome::Failed { why }) => {
                let why = escaped(why);
                write!(
                    page,
                    "<td class=f><details><summary>failed</summary><pre>{why}</pre></details>"
                )
                .ok();
            }
            Some(CaseOutcome::ExpectedFailure { why, reason }) => {
                let (why, number) = (escaped(why), self.number(reason));
                write!(
                    page,
                    "<td class=x><details><summary>expected [{number}]</summary><pre>{why}</pre></details>"
                )
                .ok();
            }
            Some(CaseOutcome::NotApplicable { reason }) => {
                write!(page, "<td class=n>n/a [{}]", self.number(reason)).ok();
            }
        }
    }

    fn write(&self, page: &mut String) {
        if self.numbers.is_empty() {
            return;
        }
        let mut notes: Vec<_> = self.numbers.iter().collect();
        notes.sort_by_key(|(_, number)| **number);
        page.push_str("<h2>Why not</h2>\n<ol>\n");
        for (reason, _) in notes {
            writeln!(page, "<li>{}", escaped(reason)).ok();
        }
        page.push_str("</ol>\n");
    }
}

/// The text for HTML, in an element or in quotes.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push(char::REPLACEMENT_CHARACTER),
            c => out.push(c),
        }
    }
    out
}
