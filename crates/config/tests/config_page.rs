//! `docs/config.md` says of every field what it does, and names a test that shows it.

mod common;

use std::collections::BTreeSet;
use std::path::Path;

use common::envoy;
use prost_reflect::DescriptorPool;

const PAGE: &str = include_str!("../../../docs/config.md");
const OURS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

struct Row<'a> {
    field: &'a str,
    here: &'a str,
    envoy: &'a str,
    test: &'a str,
}

/// The sections about messages, each with its rows.
fn sections() -> Vec<(&'static str, Vec<Row<'static>>)> {
    let mut sections = Vec::new();
    for part in PAGE.split("\n### ").skip(1) {
        let (title, body) = part.split_once('\n').unwrap();
        let rows = body.lines().filter(|line| line.starts_with("| `")).map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
            let &[field, here, envoy, test] = cells.as_slice() else {
                panic!("four cells are expected: {line}")
            };
            Row {
                field: field.trim_matches('`'),
                here,
                envoy,
                test: test.trim_matches('`'),
            }
        });
        sections.push((title.trim_matches('`'), rows.collect()));
    }
    sections
}

#[test]
fn every_field_is_there() {
    let sections = sections();
    let ours = DescriptorPool::decode(OURS).unwrap();
    let list = envoy::list();
    let expected: BTreeSet<&str> = list
        .messages
        .iter()
        .filter(|message| message.whole)
        .map(|message| message.name.as_str())
        .collect();
    let found: BTreeSet<&str> = sections.iter().map(|(name, _)| *name).collect();
    assert_eq!(found, expected);
    assert_eq!(sections.len(), expected.len(), "a section is there twice");
    for (name, rows) in &sections {
        let message = list
            .messages
            .iter()
            .find(|message| message.name == *name)
            .unwrap();
        let fields: Vec<&str> = message.fields.iter().map(|field| field.name.as_str()).collect();
        let found: Vec<&str> = rows.iter().map(|row| row.field).collect();
        assert_eq!(found, fields, "{name}");
        let known = ours.get_message_by_name(name).unwrap();
        // The other way round: Envoy's list is whole, so a field of ours is in it.
        for field in known.fields() {
            assert!(fields.contains(&field.name()), "{}", field.full_name());
        }
        for row in rows {
            let field = format!("{name}.{}", row.field);
            assert!(!row.here.is_empty() && !row.envoy.is_empty(), "{field}");
            assert!(
                !row.here.contains("ignored"),
                "{field}: say what it does, or refuse it"
            );
            if known.get_field_by_name(row.field).is_none() {
                assert!(row.here.starts_with("refused"), "{field} is not in our messages");
            }
        }
    }
}

#[test]
fn the_tests_it_names_are_there() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    for (message, rows) in sections() {
        for row in rows {
            let field = format!("{message}.{}", row.field);
            let (file, name) = row
                .test
                .split_once("::")
                .unwrap_or_else(|| panic!("{field}: {}", row.test));
            let text =
                std::fs::read_to_string(crates.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            let declared = text.lines().collect::<Vec<_>>().windows(4).any(|lines| {
                let (function, before) = lines.split_last().unwrap();
                function.contains(&format!("fn {name}(")) && before.iter().any(|line| is_test(line))
            });
            assert!(declared, "{field}: there is no test {name} in {file}");
        }
    }
}

fn is_test(line: &str) -> bool {
    ["#[test]", "#[tokio::test"]
        .iter()
        .any(|attribute| line.trim().starts_with(attribute))
}
