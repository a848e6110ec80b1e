//! Each form of a small report with characters that mean something somewhere.

use super::*;

const NASTY: &str = "<b>&\"'\n]]>\u{0}\u{1b}[31m\u{85}\u{fffe}é";

fn report() -> Report {
    let case = |name: &str, outcome: CaseOutcome, seconds: f64| CaseReport {
        name: name.to_owned(),
        outcome,
        seconds,
    };
    let failed = |why: &str| CaseOutcome::Failed { why: why.to_owned() };
    let expected = CaseOutcome::ExpectedFailure {
        why: "found 1, not 2".to_owned(),
        reason: "the engine <can't> & won't".to_owned(),
    };
    let not_applicable = CaseOutcome::NotApplicable {
        reason: "the guests are WebAssembly".to_owned(),
    };
    let mut one = HostReport::default();
    one.push(case("abi/0.2.1/proxy_log/ok", CaseOutcome::Passed, 0.25));
    one.push(case("abi/0.2.1/proxy_log/<&\">", failed(NASTY), 1.5));
    one.push(case("engine/traps/unreachable", expected, 0.0));
    let mut other = HostReport::default();
    other.push(case("abi/0.2.1/proxy_log/ok", not_applicable, 0.0));
    other.push(case("engine/traps/unreachable", CaseOutcome::Passed, 0.001));
    other.push(case("host", failed("the process ended"), 0.0));
    Report {
        runtimes: BTreeMap::from([("one".to_owned(), one), ("<other>".to_owned(), other)]),
    }
}

#[test]
fn a_table() {
    insta::assert_snapshot!(table(&report()));
}

#[test]
fn one_json_object() {
    let text = Format::Json.render(&report());
    insta::assert_snapshot!(text);
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report());
}

#[test]
fn junit_xml() {
    let text = junit(&report());
    insta::assert_snapshot!(text);
    well_formed(&text);
}

/// Reads XML as a strict reader would: every tag closed, every character one that XML has.
fn well_formed(text: &str) {
    assert!(
        text.chars()
            .all(|c| c == '\n' || !c.is_control() || c == '\u{85}')
    );
    assert!(!text.contains('\u{fffe}') && !text.contains("]]>"));
    let mut reader = quick_xml::Reader::from_str(text);
    let mut tests = 0;
    loop {
        match reader.read_event().unwrap() {
            quick_xml::events::Event::Eof => break,
            quick_xml::events::Event::Start(tag) | quick_xml::events::Event::Empty(tag) => {
                for attribute in tag.attributes() {
                    attribute.unwrap().unescape_value().unwrap();
                }
                tests += usize::from(tag.name().as_ref() == b"testcase");
            }
            _ => {}
        }
    }
    assert_eq!(tests, 6);
}

#[test]
fn a_page() {
    let text = html(&report());
    let body = text.split("<h1>").nth(1).unwrap();
    let body = body.split("<script>").next().unwrap();
    insta::assert_snapshot!(body);
    for elsewhere in ["://", " src=", " href=", "@import", "url("] {
        assert!(!text.contains(elsewhere), "{elsewhere}");
    }
    for nasty in ["<b>", "<other>", "<can't>", "\u{1b}", "\u{0}"] {
        assert!(!text.contains(nasty), "{nasty:?}");
    }
}

#[test]
fn a_page_of_many_cases_is_small() {
    let mut report = Report::default();
    for runtime in 0..5 {
        let mut host = HostReport::default();
        for number in 0..3000 {
            host.push(CaseReport {
                name: format!("abi/0.2.1/proxy_get_buffer_bytes/case_{number}"),
                outcome: CaseOutcome::Passed,
                seconds: 0.01,
            });
        }
        report.runtimes.insert(runtime.to_string(), host);
    }
    assert!(html(&report).len() < 500_000);
}

#[test]
fn an_empty_report_has_every_form() {
    for format in [Format::Table, Format::Json, Format::Junit, Format::Html] {
        assert!(!format.render(&Report::default()).trim().is_empty() || format == Format::Table);
    }
}
