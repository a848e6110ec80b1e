//! The corpus itself: what needs neither Envoy nor the server.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use enginebay_parity::case::Case;
use enginebay_parity::{Corpus, NOT_COMPARED};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn cases() -> Vec<Case> {
    Corpus::of(&root()).cases().unwrap()
}

#[test]
fn there_are_cases_of_every_area() {
    let cases = cases();
    assert!(cases.len() >= 60, "{} cases", cases.len());
    let areas: BTreeSet<&str> = cases
        .iter()
        .filter_map(|case| case.name.split('/').next())
        .collect();
    for area in [
        "bodies",
        "callouts",
        "capabilities",
        "configuration",
        "environment",
        "failures",
        "headers",
        "metrics",
        "pausing",
        "properties",
        "queues",
        "replies",
        "shared",
        "timers",
    ] {
        assert!(areas.contains(area), "{area}");
    }
}

#[test]
fn every_case_has_an_answer_and_every_answer_a_case() {
    let cases: BTreeSet<String> = cases().into_iter().map(|case| case.name).collect();
    assert_eq!(Corpus::of(&root()).recorded_names().unwrap(), cases);
}

#[test]
fn every_difference_is_a_row_of_the_page_and_in_the_answer() {
    let page = fs::read_to_string(root().join("docs/envoy-differences.md")).unwrap();
    let corpus = Corpus::of(&root());
    for case in cases() {
        let answer = corpus.recorded(&case.name).unwrap();
        for difference in &case.differs {
            let rows = page
                .lines()
                .filter(|line| line.starts_with("| ") && line.contains(&difference.row));
            assert_eq!(rows.count(), 1, "{}: {}", case.name, difference.row);
            for line in &difference.envoy {
                assert!(
                    answer.lines(&difference.aspect).contains(line),
                    "{}: Envoy does not say {line}",
                    case.name
                );
            }
        }
    }
}

#[test]
fn servers_answer_what_is_asked() {
    let corpus = Corpus::of(&root());
    for case in cases() {
        let answer = corpus.recorded(&case.name).unwrap();
        if case.refused.is_empty() {
            let requests = case.step.iter().filter(|step| step.request.is_some()).count();
            for number in 1..=requests {
                let lines = answer.lines(&format!("response {number}"));
                assert!(!lines.is_empty(), "{}: response {number}", case.name);
            }
        } else {
            let start = answer.lines("start");
            assert_eq!(
                start.first().map(String::as_str),
                Some("refused"),
                "{}",
                case.name
            );
            assert!(
                start[1..].iter().all(|line| line.starts_with("says: ")),
                "{}: {start:?}",
                case.name
            );
        }
        let text = answer.to_string();
        assert!(!text.contains("no such step"), "{}", case.name);
    }
}

#[test]
fn every_guest_is_there_and_every_text_is_a_module() {
    let guests = root().join("tests/guests/wasm");
    for case in cases() {
        for plugin in &case.plugin {
            if let Some(guest) = &plugin.guest {
                let file = guests.join(guest).with_extension("wasm");
                assert!(file.exists(), "{}: {guest}", case.name);
            }
            if let Some(wat) = &plugin.wat {
                assert!(wat::parse_str(wat).is_ok(), "{}: {}", case.name, plugin.name);
            }
        }
    }
}

#[test]
fn the_readme_has_the_headers_that_are_not_compared() {
    let readme = fs::read_to_string(root().join("tests/parity/README.md")).unwrap();
    for name in NOT_COMPARED {
        assert!(readme.contains(&format!("`{name}")), "{name}");
    }
}
