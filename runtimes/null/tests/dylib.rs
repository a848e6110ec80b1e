//! Plugins in shared libraries.
#![cfg(unix)]

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use common::{Ex, Vm, load};
use enginebay_engine::{ErrorKind, TrapKind};
use tempfile::TempDir;

/// Compiles the library with some of its parts.
fn build(folder: &Path, name: &str, parts: &[&str]) -> PathBuf {
    let path = folder.join(format!("lib{name}.so"));
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/libraries/plugin.rs");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let mut command = Command::new(rustc);
    command.args([
        "--edition",
        "2024",
        "--crate-type",
        "cdylib",
        "--crate-name",
        name,
        "-A",
        "warnings",
    ]);
    for part in parts {
        match *part {
            "abort" => command.args(["-C", "panic=abort"]),
            part => command.args(["--cfg", part]),
        };
    }
    let output = command.arg("-o").arg(&path).arg(source).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    path
}

/// A good plugin, built once.
fn plugin() -> &'static str {
    static PLUGIN: OnceLock<(TempDir, String)> = OnceLock::new();
    let (_, path) = PLUGIN.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let path = build(folder.path(), "plugin", &["marker", "allocator"]);
        (folder, path.to_str().unwrap().to_owned())
    });
    path
}

fn refusal(path: &Path) -> String {
    let error = load(path.to_str().unwrap()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModule);
    let text = error.to_string();
    assert!(text.contains(path.to_str().unwrap()), "{text}");
    text
}

#[test]
fn a_library_is_a_plugin() {
    let info = common::engine().inspect(plugin().as_bytes()).unwrap();
    let mut names: Vec<_> = info.exports.iter().map(|export| export.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        [
            "_initialize",
            "proxy_abi_version_0_2_1",
            "proxy_on_context_create",
            "proxy_on_done",
            "proxy_on_memory_allocate",
            "proxy_on_request_headers",
        ]
    );
    let module = load(plugin()).unwrap();
    assert!(module.shares_thread_state());
    let mut vm = Vm::of(&*module);
    drop(module);
    vm.call(Ex::Create, &[1, 0]).unwrap();
    assert_eq!(vm.call(Ex::RequestHeaders, &[1, 0, 1]).unwrap(), 0);
    assert_eq!(vm.headers().len(), 1);
    assert_eq!(vm.logs(), [(2, "dropped".to_owned())]);
    assert_eq!(vm.call(Ex::Done, &[1]).unwrap(), 1);
    assert!(vm.call(Ex::Tick, &[1]).is_err());
}

#[test]
fn a_panic_in_a_library_is_a_trap() {
    let mut vm = Vm::new(plugin());
    for _ in 0..200 {
        let trap = vm.call(Ex::RequestHeaders, &[1, 1, 0]).unwrap_err();
        assert_eq!(trap.kind(), TrapKind::Unreachable);
        let message = trap.message();
        assert!(
            message.starts_with("panicked at ") && message.ends_with(": boom"),
            "{message}"
        );
        let logs = vm.logs();
        assert_eq!(logs.len(), 2, "{logs:?}");
        assert!(logs[0].0 == 5 && logs[0].1.ends_with("boom"));
        assert_eq!(logs[1].1, "dropped");
        assert!(!std::thread::panicking());
        // Its borrow is over.
        assert_eq!(vm.call(Ex::RequestHeaders, &[1, 0, 0]).unwrap(), 0);
        vm.logs();
    }
    let trap = vm.call(Ex::RequestHeaders, &[1, 2, 0]).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Exit(3));
    assert!(vm.logs().is_empty());
    let trap = vm.call(Ex::RequestHeaders, &[1, 3, 0]).unwrap_err();
    assert!(trap.message().ends_with(": first"), "{trap}");
}

#[test]
fn a_panic_in_a_library_that_aborts_is_a_trap() {
    let folder = tempfile::tempdir().unwrap();
    let path = build(folder.path(), "aborts", &["marker", "allocator", "abort"]);
    let mut vm = Vm::new(path.to_str().unwrap());
    let mut other = Vm::new(plugin());
    let trap = vm.call(Ex::RequestHeaders, &[1, 1, 0]).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Unreachable);
    assert!(trap.message().ends_with(": boom"), "{trap}");
    // Nothing was unwound: the library can't go on, and says so as often as it is asked.
    for _ in 0..10 {
        let trap = vm.call(Ex::RequestHeaders, &[1, 0, 0]).unwrap_err();
        assert!(trap.message().contains("borrowed"), "{trap}");
    }
    assert_eq!(other.call(Ex::RequestHeaders, &[1, 0, 0]).unwrap(), 0);
}

#[test]
fn libraries_that_are_no_plugins_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let text = refusal(&build(folder, "unmarked", &["allocator"]));
    assert!(
        text.contains("no Proxy-Wasm plugin: it exports neither proxy_abi_version_0_2_0 nor"),
        "{text}"
    );
    let text = refusal(&build(folder, "old", &["allocator", "old_marker"]));
    assert!(text.contains("written for ABI 0.1.0"), "{text}");
    let text = refusal(&build(folder, "both", &["allocator", "both_markers"]));
    assert!(text.contains("more than one ABI marker"), "{text}");
    // It finds the malloc of C, which is not its own.
    let text = refusal(&build(folder, "poor", &["marker"]));
    assert!(text.contains("exports no allocator"), "{text}");
    let text = refusal(&build(
        folder,
        "asks",
        &["marker", "allocator", "unknown_function"],
    ));
    assert!(text.contains("undefined symbol: proxy_is_not_there"), "{text}");
    assert!(text.contains("no host function of this name"), "{text}");
}

#[test]
fn files_that_are_no_libraries_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.so");
    assert!(refusal(&missing).contains("No such file"));
    let text = folder.path().join("text.so");
    std::fs::write(&text, "hello").unwrap();
    assert!(refusal(&text).contains("can't be loaded as a shared library"));
    assert!(refusal(folder.path()).contains("not a file"));
}

/// Loads, uses and unloads a library `ENGINEBAY_STRESS_ROUNDS` times, or 1000 times; how many bytes the process grew.
#[cfg(target_os = "linux")]
fn load_often(path: &str, after_each: impl Fn() + Sync) -> u64 {
    let rounds: usize = std::env::var("ENGINEBAY_STRESS_ROUNDS").map_or(1000, |n| n.parse().unwrap());
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    // On several threads, one after the other: what a library keeps for a thread holds it until the thread ends.
    let batch = |rounds: usize| {
        let round = || {
            let mut vm = Vm::new(path);
            assert_eq!(vm.call(Ex::RequestHeaders, &[1, 0, 0]).unwrap(), 0);
            drop(vm);
            after_each();
        };
        std::thread::scope(|scope| scope.spawn(|| (0..rounds).for_each(|_| round())).join().unwrap());
    };
    batch(100);
    let before = resident();
    for _ in 0..rounds.div_ceil(50) {
        batch(50);
    }
    let grown = resident().saturating_sub(before);
    println!("{grown} bytes more");
    grown
}

#[test]
#[cfg(target_os = "linux")]
fn a_library_is_loaded_and_unloaded_often() {
    let folder = tempfile::tempdir().unwrap();
    let path = build(folder.path(), "light", &["marker", "allocator", "no_destructors"]);
    let path = path.to_str().unwrap();
    let unloaded = || assert!(!std::fs::read_to_string("/proc/self/maps").unwrap().contains(path));
    let grown = load_often(path, unloaded);
    assert!(grown < 8 << 20, "{grown} bytes more");
}

#[test]
#[cfg(target_os = "linux")]
fn a_library_with_destructors_for_threads_is_loaded_often() {
    let grown = load_often(plugin(), || {});
    assert!(grown < 8 << 20, "{grown} bytes more");
}
