//! `run --upstream`: plugins that call out, on every runtime.

#![cfg(any(feature = "wamr", feature = "wasmer", feature = "wasmi", feature = "wasmtime"))]

mod common;

use common::{enginebay, guest, module, run, run_all_json, values};
use serde_json::{Value, json};

/// The one thing that all runtimes showed of `callouts`.
fn callouts(lines: &[Value]) -> &Value {
    let first = &lines[0]["callouts"];
    assert!(lines.iter().all(|line| line["callouts"] == *first), "{lines:?}");
    first
}

fn called(path: &str, came: &str, status: Option<u32>) -> Value {
    json!({
        "kind": "http", "upstream": "callout", "method": "GET", "path": path, "came": came, "status": status,
    })
}

#[test]
fn a_request_goes_on_when_its_callouts_are_answered() {
    let (code, lines) = run_all_json(guest("callout"), &["--upstream", "callout=201"]);
    assert_eq!(code, 0);
    for line in &lines {
        assert_eq!(line["ending"], "done");
        let headers = &line["request"]["headers"];
        assert_eq!(values(headers, "x-callout-1"), ["201"]);
        assert_eq!(values(headers, "x-callout-2"), ["201"]);
    }
    let both = [
        called("/1", "answer", Some(201)),
        called("/2", "answer", Some(201)),
    ];
    assert_eq!(*callouts(&lines), json!(both));
}

#[test]
fn a_timeout_and_an_error() {
    for (answer, body) in [
        ("callout=timeout", "callout 1: status 504\n"),
        ("callout=error", "callout 1: failed with 0 headers\n"),
    ] {
        let (_, lines) = run_all_json(guest("callout"), &["--upstream", answer]);
        for line in &lines {
            assert_eq!(line["response"]["status"], 403);
            assert_eq!(line["response"]["body"], body);
        }
        let came = answer.trim_start_matches("callout=");
        assert_eq!(callouts(&lines)[0], called("/1", came, None));
    }
}

#[test]
fn nobody_has_this_name() {
    let (_, lines) = run_all_json(guest("callout"), &[]);
    assert_eq!(*callouts(&lines), json!([called("/1", "unknown_upstream", None)]));
    for line in &lines {
        assert_eq!(line["response"]["body"], "callout 1: not made: BadArgument\n");
    }
    let ran = run(guest("callout"), &[]);
    assert!(ran.out.contains("--upstream 'callout=200'"), "{}", ran.out);
}

#[test]
fn grpc_calls_and_streams() {
    let given = [
        ("unary", "grpc=grpc:0:0a0161", "0", "1", "3"),
        ("unary", "grpc=grpc:7:no", "7", "0", "0"),
        ("unary", "grpc=503", "14", "0", "0"),
        ("unary", "grpc=200:abcd", "0", "1", "4"),
        ("stream", "grpc=grpc:0:0a", "0", "1", "1"),
        ("close", "grpc=timeout", "14", "0", "0"),
    ];
    for (how, answer, status, messages, bytes) in given {
        let header = format!("x-grpc: {how}");
        let (code, lines) = run_all_json(guest("grpc_callout"), &["-H", &header, "--upstream", answer]);
        assert_eq!(code, 0);
        for line in &lines {
            let headers = &line["request"]["headers"];
            assert_eq!(values(headers, "x-grpc-status"), [status], "{how} {answer}");
            assert_eq!(values(headers, "x-grpc-messages"), [messages], "{how} {answer}");
            assert_eq!(values(headers, "x-grpc-message-bytes"), [bytes], "{how} {answer}");
        }
    }
}

#[test]
fn what_is_cancelled_is_not_told() {
    let args = ["-H", "x-grpc: cancel", "--upstream", "grpc=200"];
    let (_, lines) = run_all_json(guest("grpc_callout"), &args);
    let came: Vec<&Value> = callouts(&lines)
        .as_array()
        .expect("a list")
        .iter()
        .map(|callout| &callout["came"])
        .collect();
    assert_eq!(came, ["cancelled", "cancelled"]);
}

#[test]
fn a_plugin_that_traps_when_it_is_answered() {
    let args = ["--config", r#"{"trap": true}"#, "--upstream", "callout=200"];
    let (code, lines) = run_all_json(guest("callout"), &args);
    assert_eq!(code, 1);
    for line in &lines {
        assert_eq!(line["failed"], "RuntimeError");
        assert_eq!(line["response"]["status"], 503);
    }
}

/// Calls out when it is configured, and again whenever it is answered.
#[test]
fn callouts_without_end_have_a_bound() {
    let call = "(drop (call $http (i32.const 0) (i32.const 1) (i32.const 8) (i32.const 61) (i32.const 0) (i32.const 0)
                (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 900)))";
    let text = format!(
        r#"(module
            (import "env" "proxy_http_call"
                (func $http (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "u")
            (data (i32.const 8) "{headers}")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 1024))
            (func (export "proxy_on_configure") (param i32 i32) (result i32) {call} (i32.const 1))
            (func (export "proxy_on_http_call_response") (param i32 i32 i32 i32 i32) {call}))"#,
        headers = pairs(&[(":method", "GET"), (":path", "/"), (":authority", "a")]),
    );
    let (_folder, path) = module("again.wasm", &text);
    let ran = run(&path, &["--upstream", "u=200"]);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert!(ran.out.contains("… 940 more callouts\n"), "{}", ran.out);
    assert!(ran.out.contains("    1 more were refused"), "{}", ran.out);
}

/// A header map as plugins write it, as the text of a data segment.
fn pairs(pairs: &[(&str, &str)]) -> String {
    let mut bytes = u32::try_from(pairs.len()).expect("few").to_le_bytes().to_vec();
    for (name, value) in pairs {
        for text in [name, value] {
            bytes.extend(u32::try_from(text.len()).expect("short").to_le_bytes());
        }
    }
    for (name, value) in pairs {
        for text in [name, value] {
            bytes.extend(text.bytes());
            bytes.push(0);
        }
    }
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

#[test]
fn answers_that_make_no_sense() {
    let plugin = guest("callout");
    let plugin = plugin.to_str().expect("UTF-8");
    for wrong in ["callout", "=200", "callout=soon", "callout=grpc:0:xy"] {
        let ran = enginebay(["run", plugin, "--upstream", wrong]);
        assert_eq!(ran.code, 2, "{wrong}: {}", ran.err);
    }
    let ran = enginebay(["run", plugin, "--upstream", "a=200", "--upstream", "a=201"]);
    assert!(ran.error().contains("--upstream a: given twice"), "{}", ran.err);
}
