//! The command without any runtime: it says so.

#![cfg(not(any(
    feature = "null",
    feature = "wamr",
    feature = "wasmer",
    feature = "wasmi",
    feature = "wasmtime"
)))]

mod common;

use common::{enginebay, file, guest, run};

#[test]
fn run_says_what_is_missing() {
    let ran = run(guest("noop"), &[]);
    assert_eq!(ran.code, 1);
    let error = ran.error();
    assert!(
        error.ends_with("no runtime of WebAssembly plugins is compiled in"),
        "{error}"
    );
    for (name, feature) in [("wasmtime", "wasmtime"), ("v8", "wasmer"), ("null", "null")] {
        let ran = run(guest("noop"), &["--runtime", name]);
        assert_eq!(ran.code, 1);
        let error = ran.error();
        assert!(error.contains(&format!("cargo feature `{feature}`")), "{error}");
        assert!(error.ends_with("No runtime is compiled in"), "{error}");
    }
}

#[test]
fn compile_says_what_is_missing() {
    let ran = enginebay(["compile", "x.wasm", "--runtime", "wasmtime", "-o", "y.wasm"]);
    assert_eq!(ran.code, 1);
    assert!(ran.error().contains("cargo feature `wasmtime`"), "{}", ran.err);
}

#[test]
fn serve_says_what_is_missing() {
    let config = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../examples/configs/add_header.yaml"
    ))
    .unwrap();
    let (_folder, path) = file("envoy.yaml", config.as_bytes());
    let ran = enginebay(["serve".as_ref(), "-c".as_ref(), path.as_os_str()]);
    assert_eq!(ran.code, 1);
    // What was logged comes first.
    let error = ran.err.lines().last().unwrap_or_default();
    assert!(error.contains("cargo feature `wasmtime`"), "{error}");
}
