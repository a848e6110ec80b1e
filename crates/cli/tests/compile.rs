//! `enginebay compile`, and what `run` makes of its modules.

#![cfg(any(feature = "wamr", feature = "wasmer", feature = "wasmi", feature = "wasmtime"))]

mod common;

use std::path::{Path, PathBuf};

use common::{RUNTIMES, enginebay, file, guest, run};
use serde_json::Value;

/// The runtimes that can compile ahead of time, and the others.
fn able() -> (Vec<String>, Vec<String>) {
    let list: Vec<Value> = serde_json::from_str(&enginebay(["runtimes", "--json"]).out).unwrap();
    let (able, unable): (Vec<&Value>, Vec<&Value>) = list
        .iter()
        .filter(|runtime| RUNTIMES.contains(&runtime["name"].as_str().unwrap()))
        .partition(|runtime| runtime["capabilities"]["precompiled"] == true);
    let names = |runtimes: Vec<&Value>| -> Vec<String> {
        let name = |runtime: &Value| runtime["name"].as_str().unwrap().to_owned();
        runtimes.into_iter().map(name).collect()
    };
    (names(able), names(unable))
}

/// Compiles a module for a runtime.
fn compile(module: &Path, runtime: &str, to: &str) -> (tempfile::TempDir, PathBuf) {
    let (folder, out) = file(to, b"");
    let ran = enginebay([
        "compile".as_ref(),
        module.as_os_str(),
        "--runtime".as_ref(),
        runtime.as_ref(),
        "-o".as_ref(),
        out.as_os_str(),
    ]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.error().starts_with("note: "), "{}", ran.err);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 1, "{files:?}");
    (folder, out)
}

/// One run, and how many microseconds the load took.
fn load(module: &Path, runtime: &str, more: &[&str]) -> (f64, String) {
    let mut args = vec!["--runtime", runtime, "--json"];
    args.extend(more);
    let ran = run(module, &args);
    let line = &ran.lines()[0];
    assert_eq!(
        line["response"]["headers"][1],
        serde_json::json!(["x-enginebay", "hello"])
    );
    (line["load_us"].as_f64().unwrap(), ran.err)
}

#[test]
fn a_compiled_plugin_does_the_same() {
    for runtime in able().0 {
        let (_folder, compiled) = compile(&guest("add_header"), &runtime, "fast.wasm");
        let (_, warnings) = load(&compiled, &runtime, &["--allow-precompiled"]);
        assert_eq!(warnings, "");
        // It is still the module it was, on every runtime.
        for other in RUNTIMES {
            let (_, warnings) = load(&compiled, other, &[]);
            assert_eq!(warnings, "");
        }
    }
}

#[test]
fn code_for_several_runtimes_fits_in_one_file() {
    let (_folder, path) = file("all.wasm", &std::fs::read(guest("add_header")).unwrap());
    let able = able().0;
    for runtime in &able {
        let path = path.to_str().unwrap();
        let ran = enginebay(["compile", path, "--runtime", runtime, "-o", path]);
        assert_eq!(ran.code, 0, "{}", ran.err);
    }
    for runtime in &able {
        assert_eq!(load(&path, runtime, &["--allow-precompiled"]).1, "");
    }
}

#[test]
fn code_that_does_not_fit_is_one_warning() {
    let (able, unable) = able();
    for runtime in &able {
        let (_folder, compiled) = compile(&guest("add_header"), runtime, "fast.wasm");
        for other in able.iter().filter(|other| *other != runtime) {
            let (_, warnings) = load(&compiled, other, &["--allow-precompiled"]);
            assert_eq!(warnings.lines().count(), 1, "{warnings}");
            assert!(warnings.contains("it is for "), "{warnings}");
        }
        for other in &unable {
            let (_, warnings) = load(&compiled, other, &["--allow-precompiled"]);
            assert_eq!(warnings.lines().count(), 1, "{warnings}");
            assert!(warnings.contains("this runtime can't use any"), "{warnings}");
        }
        // Without a limit on time the code is another one.
        let (_, warnings) = load(
            &compiled,
            runtime,
            &["--allow-precompiled", "--time-limit", "none"],
        );
        assert_eq!(warnings.lines().count(), 1, "{warnings}");
        let mut damaged = std::fs::read(&compiled).unwrap();
        let last = damaged.len() - 100;
        damaged[last] ^= 1;
        std::fs::write(&compiled, damaged).unwrap();
        let (_, warnings) = load(&compiled, runtime, &["--allow-precompiled"]);
        assert_eq!(warnings.lines().count(), 1, "{warnings}");
        assert!(warnings.contains("it is damaged"), "{warnings}");
    }
}

#[test]
fn a_runtime_that_cannot_compile_ahead_says_so() {
    for runtime in able().1 {
        let (_folder, out) = file("out.wasm", b"as it was");
        let ran = enginebay([
            "compile".as_ref(),
            guest("noop").as_os_str(),
            "--runtime".as_ref(),
            runtime.as_ref(),
            "-o".as_ref(),
            out.as_os_str(),
        ]);
        assert_eq!(ran.code, 1);
        let error = ran.error();
        assert!(
            error.contains(&runtime) && error.contains("no compiled form"),
            "{error}"
        );
        assert_eq!(std::fs::read(&out).unwrap(), b"as it was");
    }
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let Some(runtime) = able().0.pop() else { return };
    let (_folder, text) = file("text.wasm", b"hello");
    let noop = guest("noop");
    let cases: [(&[&str], &str); 4] = [
        (
            &["nowhere.wasm", "--runtime", &runtime, "-o", "x"],
            "error: Invalid path: nowhere.wasm: ",
        ),
        (
            &[text.to_str().unwrap(), "--runtime", &runtime, "-o", "x"],
            "Failed to parse corrupted Wasm module",
        ),
        (
            &[text.to_str().unwrap(), "--runtime", "nosuch", "-o", "x"],
            "error: --runtime nosuch: ",
        ),
        (
            &[noop.to_str().unwrap(), "--runtime", &runtime, "-o", "/nowhere/x"],
            "error: /nowhere/x: ",
        ),
    ];
    for (args, message) in cases {
        let ran = enginebay(std::iter::once("compile").chain(args.iter().copied()));
        assert_eq!(ran.code, 1);
        assert!(ran.error().contains(message), "{}", ran.err);
    }
}
