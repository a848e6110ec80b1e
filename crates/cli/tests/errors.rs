//! What is wrong with a plugin is said in one line that names it, and differs for each cause.

#![cfg(any(feature = "wamr", feature = "wasmer", feature = "wasmi", feature = "wasmtime"))]

mod common;

use common::{RUNTIMES, any_runtime, file, guest, module, run, run_all_json};

/// A file name, its contents, and what is said about it.
fn broken_modules() -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let whole = std::fs::read(guest("add_header")).unwrap();
    let wat = |text: &str| wat::parse_str(text).unwrap();
    vec![
        (
            "truncated.wasm",
            whole[..whole.len() / 2].to_vec(),
            "Failed to parse corrupted Wasm module",
        ),
        ("empty.wasm", Vec::new(), "Failed to parse corrupted Wasm module"),
        (
            "text.wasm",
            b"hello".to_vec(),
            "Failed to parse corrupted Wasm module",
        ),
        (
            "nomarker.wasm",
            wat("(module (memory 1))"),
            "Missing or unknown Proxy-Wasm ABI version",
        ),
        (
            "import.wasm",
            wat(r#"(module (import "env" "no_such_function" (func)) (memory 1)
                (func (export "proxy_abi_version_0_2_1"))
                (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#),
            "Failed to load Wasm module due to a missing import: env.no_such_function",
        ),
        (
            "malloc.wasm",
            wat(r#"(module (memory 1) (func (export "proxy_abi_version_0_2_1")))"#),
            "Wasm module is missing malloc function",
        ),
    ]
}

#[test]
fn a_broken_module_is_one_line_that_names_the_file() {
    for (name, code, message) in broken_modules() {
        let (_folder, path) = file(name, &code);
        for runtime in RUNTIMES.iter().chain(&["all"]) {
            let ran = run(&path, &["--runtime", runtime]);
            assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{name}");
            let expected = format!("error: {}: {message}", path.display());
            assert!(ran.error().starts_with(&expected), "{}", ran.err);
        }
    }
}

#[test]
fn a_broken_module_is_an_object_with_the_state_in_json() {
    for (name, code, message) in broken_modules() {
        let (_folder, path) = file(name, &code);
        let (code, lines) = run_all_json(&path, &[]);
        assert_eq!(code, 1);
        for line in lines {
            let state = match name {
                "malloc.wasm" => "MissingFunction",
                _ => "UnableToInitializeCode",
            };
            assert_eq!(line["failed"], state, "{name}");
            assert!(line["error"].as_str().unwrap().starts_with(message), "{line}");
            assert_eq!(line["ending"], "not_started");
        }
    }
}

#[test]
fn a_missing_file_and_an_unknown_runtime_are_no_failures_of_the_plugin() {
    for json in [&[][..], &["--json"]] {
        let ran = run("no/such/file.wasm", json);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        assert!(
            ran.error()
                .starts_with("error: Invalid path: no/such/file.wasm: No such file"),
            "{}",
            ran.err
        );

        let mut args = vec!["--runtime", "v9"];
        args.extend(json);
        let ran = run(guest("noop"), &args);
        assert_eq!((ran.code, ran.out.as_str()), (1, ""));
        let error = ran.error();
        assert!(
            error.starts_with(
                "error: --runtime v9: Failed to create Wasm VM using envoy.wasm.runtime.v9 runtime. Available: "
            ),
            "{error}"
        );
        assert!(error.contains(any_runtime()), "{error}");
    }
    let ran = run("nosuchplugin.wasm", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(
        ran.error()
            .starts_with("error: Invalid path: nosuchplugin.wasm: "),
        "{}",
        ran.err
    );
    let ran = run("nosuchplugin", &[]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    let expected = match cfg!(feature = "null") {
        true => "error: nosuchplugin: ",
        false => "error: nosuchplugin: No such file",
    };
    assert!(ran.error().starts_with(expected), "{}", ran.err);
    let ran = run(std::env::temp_dir(), &[]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.error().contains("Invalid path"), "{}", ran.err);
}

#[test]
fn a_refused_configuration_shows_the_plugins_log_and_ends_with_one_line() {
    let path = guest("add_header");
    let ran = run(&path, &["--config", "{", "--runtime", "all"]);
    assert_eq!(ran.code, 1);
    assert!(ran.out.contains("add_header: bad configuration"), "{}", ran.out);
    let expected = format!("error: {}: Failed to configure base Wasm plugin", path.display());
    assert!(ran.error().starts_with(&expected), "{}", ran.err);
}

#[test]
fn a_module_that_starts_too_large_is_refused() {
    let (_folder, path) = module(
        "large.wasm",
        r#"(module (memory 100) (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 0)))"#,
    );
    let ran = run(&path, &["--memory-limit", "1MiB", "--runtime", "all"]);
    assert_eq!((ran.code, ran.out.as_str()), (1, ""));
    assert!(ran.error().contains("the limit is 1048576"), "{}", ran.err);
}
