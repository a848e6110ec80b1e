//! Running the real command.

// Each test file uses some of this.
#![allow(dead_code)]

mod runtimes;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[allow(unused_imports)]
pub(crate) use runtimes::{RUNTIMES, any_runtime};
use serde_json::Value;

/// A committed guest.
pub(crate) fn guest(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/guests/wasm")
        .join(format!("{name}.wasm"));
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// What a run of the command gave.
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// The lines of standard output as JSON objects.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }

    /// The one line of standard error.
    pub(crate) fn error(&self) -> &str {
        assert_eq!(self.err.lines().count(), 1, "not one line: {:?}", self.err);
        self.err.trim_end()
    }
}

/// Runs `enginebay` with these arguments.
pub(crate) fn enginebay<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(args: I) -> Ran {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(env!("CARGO_BIN_EXE_enginebay"))
        .args(args)
        .env_remove("NO_COLOR")
        .output()
        .expect("the command starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    let ran = Ran {
        code: status.code().expect("no signal"),
        out: text(stdout),
        err: text(stderr),
    };
    assert!(!ran.err.contains("panicked"), "{}", ran.err);
    ran
}

/// `enginebay run GUEST` with these arguments.
pub(crate) fn run(plugin: impl AsRef<Path>, args: &[&str]) -> Ran {
    let mut all = vec!["run".as_ref(), plugin.as_ref().as_os_str()];
    all.extend(args.iter().map(std::ffi::OsStr::new));
    enginebay(all)
}

/// `enginebay run GUEST --runtime all --json` with these arguments: one object for each runtime.
pub(crate) fn run_all_json(plugin: impl AsRef<Path>, args: &[&str]) -> (i32, Vec<Value>) {
    let mut all = vec!["--runtime", "all", "--json"];
    all.extend(args);
    let ran = run(plugin, &all);
    assert_eq!(ran.err, "");
    let lines = ran.lines();
    let runtimes: Vec<&str> = lines.iter().filter_map(|line| line["runtime"].as_str()).collect();
    assert_eq!(runtimes, RUNTIMES);
    (ran.code, lines)
}

/// Writes a module in the text format to a file of this name in a folder that goes with the returned value.
pub(crate) fn module(name: &str, wat: &str) -> (tempfile::TempDir, PathBuf) {
    file(name, &wat::parse_str(wat).expect("valid text"))
}

/// Writes a file of this name in a folder that goes with the returned value.
pub(crate) fn file(name: &str, contents: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    std::fs::write(&path, contents).expect("a file");
    (folder, path)
}

/// The values of a header in a list of `[name, value]`.
pub(crate) fn values<'a>(headers: &'a Value, name: &str) -> Vec<&'a str> {
    headers
        .as_array()
        .expect("a list")
        .iter()
        .filter(|pair| pair[0] == name)
        .filter_map(|pair| pair[1].as_str())
        .collect()
}

/// Text with times and the numbers of backtraces masked.
pub(crate) fn masked(text: &str) -> String {
    let times = regex::Regex::new(r" +\d+\.\d µs").unwrap();
    times.replace_all(text, "  [time]").into_owned()
}

/// A plugin that does what `body` says in the callbacks it defines.
pub(crate) fn plugin(body: &str) -> String {
    format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_continue_stream" (func $continue (param i32) (result i32)))
            (import "env" "proxy_close_stream" (func $close (param i32) (result i32)))
            (import "env" "proxy_send_local_response"
                (func $reply (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
            (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 0) "x-a\1b[31m")
            (global $heap (mut i32) (i32.const 1024))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param $size i32) (result i32)
                (local $at i32)
                (local.set $at (global.get $heap))
                (global.set $heap (i32.add (global.get $heap) (local.get $size)))
                (local.get $at))
            {body})"#
    )
}
