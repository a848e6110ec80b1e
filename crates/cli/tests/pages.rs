//! What people see, as snapshots with the times masked.

#![cfg(all(feature = "wasmi", feature = "wasmtime"))]

mod common;

use common::{guest, masked, module, plugin, run};

/// Standard output of `run` on two runtimes.
fn page(guest: impl AsRef<std::path::Path>, args: &[&str]) -> String {
    let mut all = vec!["--runtime", "wasmi,wasmtime"];
    all.extend(args);
    masked(&run(guest, &all).out)
}

#[test]
fn an_added_header() {
    insta::assert_snapshot!(page(guest("add_header"), &["-H", "x-user: a"]));
}

#[test]
fn one_runtime() {
    insta::assert_snapshot!(masked(&run(guest("add_header"), &["--runtime", "wasmi"]).out));
}

#[test]
fn a_plugin_of_abi_0_1_0() {
    insta::assert_snapshot!(page(guest("legacy"), &["--config", "word"]));
}

#[test]
fn a_plugin_of_abi_0_2_0() {
    insta::assert_snapshot!(page(guest("assemblyscript"), &["-H", "x-user: a"]));
}

#[test]
fn the_trailers_of_both() {
    let args = [
        "--body",
        "one",
        "--trailer",
        "x-replace: 1",
        "--trailer",
        "x-remove: 1",
        "--response-body",
        "two",
        "--response-trailer",
        "x-b: 2",
    ];
    insta::assert_snapshot!(page(guest("trailers"), &args));
}

#[test]
fn a_local_reply() {
    insta::assert_snapshot!(page(guest("auth"), &["--response-body", "secret page"]));
}

#[test]
fn changed_bodies_in_chunks() {
    let args = [
        "--body",
        "one\ntwo\n",
        "--chunk-size",
        "5",
        "--response-body",
        "yes",
        "--trailer",
        "x-t: 1",
    ];
    insta::assert_snapshot!(page(guest("body_rewrite"), &args));
}

#[test]
fn a_crash_on_one_runtime() {
    let ran = run(
        guest("crash"),
        &["--runtime", "wasmtime", "-H", "x-crash: request_headers"],
    );
    assert_eq!((ran.code, ran.err.as_str()), (1, ""));
    // The frames between are those of the SDK and of Rust's library, and change with them.
    let frames = regex::Regex::new(r"\n +\d+: [^\n]+").unwrap();
    let lines = regex::Regex::new(r"lib\.rs:\d+:\d+").unwrap();
    let page = frames.replace_all(&masked(&ran.out), "").into_owned();
    insta::assert_snapshot!(lines.replace_all(&page, "lib.rs:[line]"));
    assert!(ran.out.contains("proxy_on_request_headers\n"), "{}", ran.out);
    assert!(ran.out.contains("rust_panic"), "{}", ran.out);
}

#[test]
fn a_paused_request() {
    let (_folder, path) = module(
        "pause.wasm",
        &plugin(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                   (drop (call $add (i32.const 0) (i32.const 0) (i32.const 3) (i32.const 0) (i32.const 3)))
                   (i32.const 1))"#,
        ),
    );
    insta::assert_snapshot!(page(&path, &[]));
}

#[test]
fn callouts_that_are_answered() {
    let args = ["--upstream", "callout=200:yes"];
    insta::assert_snapshot!(page(guest("callout"), &args));
}

#[test]
fn a_callout_that_is_refused() {
    let args = ["--upstream", "callout=403:denied"];
    insta::assert_snapshot!(page(guest("callout"), &args));
}

#[test]
fn a_callout_to_nobody() {
    insta::assert_snapshot!(page(guest("callout"), &["--upstream", "other=200"]));
}

#[test]
fn a_grpc_stream() {
    let args = ["-H", "x-grpc: stream", "--upstream", "grpc=grpc:0:0a0161"];
    insta::assert_snapshot!(page(guest("grpc_callout"), &args));
}

#[test]
fn a_log_message_cannot_steer_the_terminal() {
    let (_folder, path) = module(
        "escape.wasm",
        &plugin(
            r#"(func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                   (drop (call $log (i32.const 2) (i32.const 0) (i32.const 8))) (i32.const 0))"#,
        ),
    );
    let out = page(&path, &[]);
    assert!(out.contains("info     x-a\\u{1b}[31m\n"), "{out}");
    assert!(!out.contains('\x1b'), "{out}");
}
