//! `enginebay inspect` and `enginebay runtimes`.

mod common;

use common::{RUNTIMES, enginebay, file, guest, module};
use serde_json::{Value, json};

fn inspect_json(path: &std::path::Path) -> Value {
    let ran = enginebay(["inspect".as_ref(), path.as_os_str(), "--json".as_ref()]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    assert_eq!(ran.out.lines().count(), 1);
    ran.lines().remove(0)
}

#[test]
fn a_rust_plugin() {
    let info = inspect_json(&guest("add_header"));
    assert_eq!(info["abi_version"], "0.2.1");
    assert_eq!(info["language"]["name"], "Rust");
    assert_eq!(
        info["sdk"],
        json!({"name": "proxy-wasm-rust-sdk", "version": "0.2.5"})
    );
    assert_eq!(info["allocator"], "proxy_on_memory_allocate");
    assert_eq!(info["init"], "_initialize");
    assert_eq!(info["problems"], json!([]));
    let imports = info["imports"].as_array().unwrap();
    assert!(imports.iter().all(|import| import["known"] == true));
    assert!(
        imports
            .iter()
            .any(|import| import["module"] == "env" && import["name"] == "proxy_log")
    );
    let capabilities = info["capabilities"].as_array().unwrap();
    for name in ["proxy_log", "proxy_on_request_headers", "fd_write"] {
        assert!(capabilities.contains(&json!(name)), "{name}");
    }
    assert!(!capabilities.contains(&json!("proxy_on_memory_allocate")));
    let code = std::fs::read(guest("add_header")).unwrap();
    assert_eq!(info["size"], code.len());
    assert_eq!(info["sha256"].as_str().unwrap().len(), 64);
    assert!(info["memories"][0]["initial"].as_u64().unwrap() >= 65536);
    assert!(
        info["custom_sections"]
            .as_array()
            .unwrap()
            .iter()
            .any(|s| s["name"] == "name")
    );
}

#[test]
fn the_digest_is_that_of_the_file() {
    let (_folder, path) = file("empty.wasm", b"\0asm\x01\0\0\0");
    assert_eq!(
        inspect_json(&path)["sha256"],
        "93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476"
    );
}

/// Wrong in every way that a module can be and still be one.
const ODD: &str = r#"(module
    (import "env" "no_such_function" (func))
    (import "env" "proxy_log" (func (param i64)))
    (import "env" "proxy_get_configuration" (func (param i32 i32) (result i32)))
    (import "env" "memory" (memory 1))
    (import "wasi_unstable" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (table 3 7 funcref)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_abi_version_9_9_9"))
    (func (export "proxy_on_request_headers") (param i32))
    (func (export "mine\1b[31m")))"#;

#[test]
fn everything_odd_is_flagged_and_no_error() {
    let (_folder, path) = module("odd.wasm", ODD);
    let info = inspect_json(&path);
    let problem = |list: &str, name: &str| {
        info[list]
            .as_array()
            .unwrap()
            .iter()
            .find(|entry| entry["name"] == name)
            .map(|entry| entry["problem"].clone())
            .unwrap()
    };
    assert_eq!(problem("imports", "no_such_function"), "unknown function");
    assert_eq!(
        problem("imports", "proxy_log"),
        "wrong type: a host offers (i32, i32, i32) -> i32"
    );
    assert_eq!(problem("imports", "proxy_get_configuration"), "not in ABI 0.2.1");
    assert_eq!(problem("imports", "memory"), "a host offers no memory");
    assert_eq!(problem("imports", "fd_write"), Value::Null);
    assert_eq!(
        problem("callbacks", "proxy_on_request_headers"),
        "wrong type: a host calls (i32, i32, i32) -> i32"
    );
    assert_eq!(info["allocator"], Value::Null);
    assert_eq!(info["init"], Value::Null);
    assert_eq!(info["tables"], json!([{"initial": 3, "maximum": 7}]));
    assert_eq!(
        info["abi_markers"][1],
        json!({"name": "proxy_abi_version_9_9_9", "known": false})
    );
    assert_eq!(info["problems"].as_array().unwrap().len(), 6);
    let capabilities = [
        "fd_write",
        "proxy_get_configuration",
        "proxy_log",
        "proxy_on_request_headers",
    ];
    assert_eq!(info["capabilities"], json!(capabilities));
}

#[test]
fn the_page_of_an_odd_module() {
    let (_folder, path) = module("odd.wasm", ODD);
    let ran = enginebay(["inspect".as_ref(), path.as_os_str()]);
    assert_eq!(ran.code, 0);
    insta::assert_snapshot!(ran.out);
}

#[test]
fn no_module_is_an_error() {
    let (_folder, path) = file("text.wasm", b"hello");
    let ran = enginebay(["inspect".as_ref(), path.as_os_str()]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let expected = format!("error: {}: Failed to parse corrupted Wasm module", path.display());
    assert!(ran.error().starts_with(&expected), "{}", ran.err);
    let ran = enginebay(["inspect", "no/such.wasm", "--json"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.error().starts_with("error: Invalid path: no/such.wasm: "),
        "{}",
        ran.err
    );
}

#[test]
fn the_runtimes_that_are_there() {
    let ran = enginebay(["runtimes", "--json"]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let list = ran.lines().remove(0);
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|runtime| runtime["name"].as_str())
        .collect();
    let null = cfg!(feature = "null").then_some("envoy.wasm.runtime.null");
    let expected: Vec<&str> = null.into_iter().chain(RUNTIMES.iter().copied()).collect();
    assert_eq!(names, expected);
    for runtime in list.as_array().unwrap() {
        let native = runtime["name"] == "envoy.wasm.runtime.null";
        assert_eq!(runtime["capabilities"]["sandbox"], !native);
        assert_eq!(runtime["capabilities"]["time_limit"], !native);
        assert_eq!(runtime["capabilities"]["word_size"], if native { 8 } else { 4 });
        let aliases = match runtime["name"].as_str().unwrap() {
            "envoy.wasm.runtime.wasmi" => json!(["envoy.wasm.runtime.wavm"]),
            "envoy.wasm.runtime.wasmer" => json!(["envoy.wasm.runtime.v8"]),
            _ => json!([]),
        };
        assert_eq!(runtime["aliases"], aliases);
    }

    let ran = enginebay(["runtimes"]);
    assert_eq!(ran.code, 0);
    if expected.is_empty() {
        assert_eq!(ran.out, "No runtime is compiled in.\n");
        return;
    }
    for name in &expected {
        assert!(ran.out.contains(name), "{}", ran.out);
    }
    let row = ran
        .out
        .lines()
        .find(|line| line.starts_with("time limit"))
        .unwrap();
    let cells = expected.iter().map(|name| match *name {
        "envoy.wasm.runtime.null" => "no",
        _ => "yes",
    });
    let cells: Vec<&str> = ["time", "limit"].into_iter().chain(cells).collect();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>(), cells);
}
