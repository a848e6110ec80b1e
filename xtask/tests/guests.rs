//! The committed guests: that each belongs to its source, holds nothing of the machine that built it, and is a plugin.

use std::collections::BTreeSet;
use std::fs;

use wasmparser::{ExternalKind, KnownCustom, Parser, Payload, Validator};
use xtask::{guests, workspace};

/// The committed `.wasm` of every guest, by name.
fn committed() -> Vec<(String, Vec<u8>)> {
    let folder = workspace::guests();
    guests::names(&folder)
        .unwrap()
        .into_iter()
        .map(|name| {
            let bytes = fs::read(folder.join("wasm").join(&name).with_extension("wasm"))
                .unwrap_or_else(|error| panic!("{name}.wasm: {error}"));
            (name, bytes)
        })
        .collect()
}

#[test]
fn every_guest_matches_its_source() {
    let problems = guests::check(&workspace::guests()).unwrap();
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_guests_are_those_the_other_tests_use() {
    assert_eq!(
        guests::names(&workspace::guests()).unwrap(),
        [
            "access_log",
            "add_header",
            "assemblyscript",
            "auth",
            "body_rewrite",
            "callout",
            "crash",
            "foreign",
            "grpc_callout",
            "header_filter",
            "headers_dump",
            "hog",
            "legacy",
            "metrics",
            "noop",
            "properties",
            "queue_consumer",
            "queue_producer",
            "scripted",
            "shared",
            "spin",
            "steps",
            "tcp_tap",
            "ticker",
            "trailers"
        ]
    );
}

#[test]
fn no_guest_names_the_machine_that_built_it() {
    for (name, wasm) in committed() {
        let found = guests::machine_paths(&wasm);
        assert!(found.is_empty(), "{name}: {found:#?}");
    }
}

#[test]
fn every_guest_is_a_plugin_with_function_names() {
    for (name, wasm) in committed() {
        Validator::new()
            .validate_all(&wasm)
            .unwrap_or_else(|error| panic!("{name}: {error}"));

        let mut exports = BTreeSet::new();
        let mut has_names = false;
        for payload in Parser::new(0).parse_all(&wasm) {
            match payload.unwrap() {
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.unwrap();
                        if export.kind == ExternalKind::Func {
                            exports.insert(export.name);
                        }
                    }
                }
                Payload::CustomSection(section) => {
                    has_names |= matches!(section.as_known(), KnownCustom::Name(_));
                }
                _ => {}
            }
        }
        let (start, version, allocator) = match name.as_str() {
            "assemblyscript" => ("malloc", "proxy_abi_version_0_2_0", "malloc"),
            "legacy" => ("_start", "proxy_abi_version_0_1_0", "proxy_on_memory_allocate"),
            _ => (
                "_initialize",
                "proxy_abi_version_0_2_1",
                "proxy_on_memory_allocate",
            ),
        };
        for function in [
            start,
            version,
            allocator,
            "proxy_on_context_create",
            "proxy_on_request_headers",
        ] {
            assert!(exports.contains(function), "{name} has no {function}");
        }
        assert!(has_names, "{name} has no name section");
    }
}
