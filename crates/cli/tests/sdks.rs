//! Plugins as the SDKs of each ABI version build them: they load, start, configure and serve a request on every runtime,
//! without a word about a function that is not there.

#![cfg(any(feature = "wamr", feature = "wasmer", feature = "wasmi", feature = "wasmtime"))]

mod common;

use common::{enginebay, guest, run_all_json, values};
use serde_json::{Value, json};

/// One request through the guest on every runtime; nothing but what `logs` has is logged.
fn serves(name: &str, args: &[&str], logs: &[&str]) -> Vec<Value> {
    let (code, lines) = run_all_json(guest(name), args);
    for line in &lines {
        let logged: Vec<&str> = line["logs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|record| record["message"].as_str().unwrap())
            .collect();
        assert_eq!(logged, logs, "{line}");
        assert_eq!(line["failed"], Value::Null, "{line}");
        assert_eq!(line["ending"], "done", "{line}");
    }
    assert_eq!(code, 0);
    lines
}

#[test]
fn the_guests_are_of_all_three_versions() {
    for (name, version) in [
        ("legacy", "0.1.0"),
        ("assemblyscript", "0.2.0"),
        ("header_filter", "0.2.1"),
    ] {
        let ran = enginebay(["inspect".as_ref(), "--json".as_ref(), guest(name).as_os_str()]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""));
        assert_eq!(ran.lines()[0]["abi_version"], version);
    }
}

#[test]
fn a_plugin_of_abi_0_1_0_serves() {
    for line in serves("legacy", &["--config", "word"], &[]) {
        assert_eq!(values(&line["request"]["headers"], "x-legacy"), ["word"]);
        assert_eq!(values(&line["response"]["headers"], "x-legacy"), ["word"]);
        // A header that is not there is an empty one in this version, which its SDK takes for none.
        assert_eq!(values(&line["response"]["headers"], "x-missing"), ["none"]);
    }
}

#[test]
fn a_plugin_of_abi_0_2_0_serves() {
    let logs = ["assemblyscript: configured"];
    for line in serves("assemblyscript", &["-H", "x-user: me"], &logs) {
        assert_eq!(values(&line["request"]["headers"], "x-assembly"), ["me"]);
        assert_eq!(values(&line["response"]["headers"], "x-assembly"), ["script"]);
    }
    // Its SDK gives a wrong place for the length of what it reads: a configuration must do no harm.
    for line in serves("assemblyscript", &["--config", "a configuration"], &logs) {
        assert_eq!(values(&line["request"]["headers"], "x-assembly"), ["nobody"]);
    }
    for line in serves("assemblyscript", &["--path", "/denied"], &logs) {
        assert_eq!(line["response"]["status"], 403);
        assert_eq!(line["local_reply"], true);
        assert_eq!(line["response"]["body"], "denied\n");
    }
}

#[test]
fn a_plugin_of_abi_0_2_1_serves() {
    for line in serves("header_filter", &[], &[]) {
        assert_eq!(values(&line["request"]["headers"], "x-client"), ["unknown"]);
        assert_eq!(line["action"]["request_headers"], json!("CONTINUE"));
    }
}

#[test]
fn every_guest_that_is_an_http_filter_starts_and_is_configured() {
    for name in [
        "access_log",
        "callout",
        "foreign",
        "grpc_callout",
        "metrics",
        "properties",
        "queue_consumer",
        "queue_producer",
        "shared",
        "ticker",
        "trailers",
    ] {
        let (_, lines) = run_all_json(guest(name), &["-H", "x-grpc: none"]);
        for line in lines {
            // The request's context is made once the plugin is configured.
            assert!(line["timings_us"]["context_create"].is_number(), "{name}: {line}");
        }
    }
}
