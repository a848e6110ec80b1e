//! The report as JUnit's XML, which continuous integration reads.

use std::collections::BTreeMap;
use std::io;

use quick_xml::escape::escape;
use quick_xml::events::attributes::Attribute;
use quick_xml::events::{BytesDecl, BytesText, Event};
use quick_xml::name::QName;
use quick_xml::writer::Writer;

use super::{CaseOutcome, CaseReport, Report};

/// One suite for each runtime and area. Expected failures and what is not applicable are skipped tests with a message.
pub fn junit(report: &Report) -> String {
    let mut out = Writer::new_with_indent(Vec::new(), b' ', 2);
    // Nothing that is written to memory fails.
    write(&mut out, report).ok();
    let mut text = String::from_utf8_lossy(&out.into_inner()).into_owned();
    text.push('\n');
    text
}

fn write(out: &mut Writer<Vec<u8>>, report: &Report) -> io::Result<()> {
    out.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let all = report.runtimes.values().flat_map(|host| &host.cases);
    let root = [("name", "enginebay-conformance".to_owned())];
    let element = out
        .create_element("testsuites")
        .with_attributes(attributes(&root));
    let totals = totals(all);
    element
        .with_attributes(attributes(&totals))
        .write_inner_content(|out| {
            for (runtime, host) in &report.runtimes {
                let mut areas: BTreeMap<&str, Vec<&CaseReport>> = BTreeMap::new();
                for case in &host.cases {
                    areas.entry(case.area()).or_default().push(case);
                }
                for (area, cases) in areas {
                    suite(out, &format!("{runtime}/{area}"), &cases)?;
                }
            }
            Ok(())
        })?;
    Ok(())
}

fn suite(out: &mut Writer<Vec<u8>>, name: &str, cases: &[&CaseReport]) -> io::Result<()> {
    let totals = totals(cases.iter().copied());
    let name_of = [("name", name.to_owned())];
    let element = out
        .create_element("testsuite")
        .with_attributes(attributes(&name_of));
    element
        .with_attributes(attributes(&totals))
        .write_inner_content(|out| cases.iter().try_for_each(|case| test(out, name, case)))?;
    Ok(())
}

fn test(out: &mut Writer<Vec<u8>>, suite: &str, case: &CaseReport) -> io::Result<()> {
    let about = [
        ("name", case.name.clone()),
        ("classname", suite.to_owned()),
        ("time", format!("{:.3}", case.seconds)),
    ];
    let element = out.create_element("testcase").with_attributes(attributes(&about));
    let (kind, message, details) = match &case.outcome {
        CaseOutcome::Passed => {
            element.write_empty()?;
            return Ok(());
        }
        CaseOutcome::Failed { why } => ("failure", why.lines().next().unwrap_or_default(), Some(why)),
        CaseOutcome::ExpectedFailure { why, reason } => ("skipped", reason.as_str(), Some(why)),
        CaseOutcome::NotApplicable { reason } => ("skipped", reason.as_str(), None),
    };
    element.write_inner_content(|out| {
        let message = [("message", message.to_owned())];
        let element = out.create_element(kind).with_attributes(attributes(&message));
        match details {
            Some(details) => element.write_text_content(BytesText::new(&allowed(details)))?,
            None => element.write_empty()?,
        };
        Ok(())
    })?;
    Ok(())
}

/// JUnit's counts of tests.
fn totals<'a>(cases: impl Iterator<Item = &'a CaseReport>) -> [(&'static str, String); 5] {
    let (mut tests, mut failures, mut skipped, mut seconds) = (0, 0, 0, 0.0);
    for case in cases {
        tests += 1;
        seconds += case.seconds;
        match case.outcome {
            CaseOutcome::Passed => {}
            CaseOutcome::Failed { .. } => failures += 1,
            CaseOutcome::ExpectedFailure { .. } | CaseOutcome::NotApplicable { .. } => skipped += 1,
        }
    }
    [
        ("tests", tests.to_string()),
        ("failures", failures.to_string()),
        ("errors", 0.to_string()),
        ("skipped", skipped.to_string()),
        ("time", format!("{seconds:.3}")),
    ]
}

/// Attributes with text that XML can have, escaped.
fn attributes(pairs: &[(&'static str, String)]) -> impl Iterator<Item = Attribute<'static>> {
    let attribute = |(name, value): &(&'static str, String)| Attribute {
        key: QName(name.as_bytes()),
        value: escape(allowed(value)).into_owned().into_bytes().into(),
    };
    pairs.iter().map(attribute).collect::<Vec<_>>().into_iter()
}

/// The text with a replacement character for each one that XML 1.0 doesn't have, escaped or not.
fn allowed(text: &str) -> String {
    let replaced = |c: char| match c {
        '\t' | '\n' | '\r' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => {
            c
        }
        _ => char::REPLACEMENT_CHARACTER,
    };
    text.chars().map(replaced).collect()
}
