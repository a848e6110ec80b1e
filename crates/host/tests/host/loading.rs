//! What loads and what does not, with which state and which words.

use enginebay_engine::Limits;
use enginebay_host::abi::{AbiVersion, Callback};
use enginebay_host::{FailState, Failure};

use crate::fixture::{Bay, on_each, on_each_with};

const MARKER: &str = r#"(func (export "proxy_abi_version_0_2_1"))"#;
const ALLOCATOR: &str =
    r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))"#;

fn module(parts: &[&str]) -> String {
    format!("(module {})", parts.concat())
}

fn refused(bay: &Bay, parts: &[&str]) -> (FailState, String) {
    let failure: Failure = bay.load(&module(parts)).err().unwrap();
    assert!(failure.trap().is_none());
    (failure.state(), failure.to_string())
}

#[test]
fn code_that_is_no_module() {
    on_each(|bay| {
        for code in [&b""[..], b"no module", b"\0asm", b"\0asm\x01\0\0\0\xff"] {
            let failure = enginebay_host::Program::load(&*bay.engine, code).err().unwrap();
            assert_eq!(
                failure.state(),
                FailState::UnableToInitializeCode,
                "{code:?}: {failure}"
            );
        }
    });
}

#[test]
fn abi_markers() {
    on_each(|bay| {
        let (state, message) = refused(bay, &[ALLOCATOR]);
        assert_eq!(state, FailState::UnableToInitializeCode);
        assert_eq!(
            message,
            "Missing or unknown Proxy-Wasm ABI version: it exports no proxy_abi_version_* marker, and this host \
             knows 0.1.0, 0.2.0, 0.2.1"
        );
        let unknown = r#"(func (export "proxy_abi_version_0_3_0"))"#;
        let (state, message) = refused(bay, &[ALLOCATOR, unknown]);
        assert_eq!(state, FailState::UnableToInitializeCode);
        assert_eq!(
            message,
            "Missing or unknown Proxy-Wasm ABI version: it exports proxy_abi_version_0_3_0, and this host knows \
             0.1.0, 0.2.0, 0.2.1"
        );
        for version in AbiVersion::ALL {
            let marker = format!(r#"(func (export "{}"))"#, version.marker());
            let program = bay.load(&module(&[ALLOCATOR, &marker])).unwrap();
            assert_eq!(program.abi_version(), *version);
        }
        // The newest that is known, wherever it stands.
        let older = r#"(func (export "proxy_abi_version_0_1_0"))"#;
        let program = bay.load(&module(&[ALLOCATOR, unknown, MARKER, older])).unwrap();
        assert_eq!(program.abi_version(), AbiVersion::V0_2_1);
    });
}

#[test]
fn allocators() {
    on_each(|bay| {
        let (state, message) = refused(bay, &[MARKER]);
        assert_eq!(state, FailState::MissingFunction);
        assert!(
            message.starts_with("Wasm module is missing malloc function"),
            "{message}"
        );
        let malloc = r#"(func (export "malloc") (param i32) (result i32) (i32.const 0))"#;
        assert!(bay.load(&module(&[MARKER, malloc])).is_ok());
        assert!(bay.load(&module(&[MARKER, malloc, ALLOCATOR])).is_ok());
        let wrong = r#"(func (export "malloc") (param i64) (result i32) (i32.const 0))"#;
        let (state, message) = refused(bay, &[MARKER, wrong]);
        assert_eq!(state, FailState::UnableToInitializeCode);
        assert_eq!(
            message,
            "Bad function signature for: malloc, want: function (i32) -> i32, but the module exports: function \
             (i64) -> i32"
        );
    });
}

#[test]
fn imports_that_are_not_there() {
    on_each(|bay| {
        let imports = r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
            (import "env" "proxy_fly" (func)) (import "wasi_snapshot_preview1" "fd_fly" (func))
            (import "env" "memory" (memory 1))"#;
        let (state, message) = refused(bay, &[imports, MARKER, ALLOCATOR]);
        assert_eq!(state, FailState::UnableToInitializeCode);
        assert_eq!(
            message,
            "Failed to load Wasm module due to a missing import: env.proxy_fly, wasi_snapshot_preview1.fd_fly, \
             env.memory (memory)"
        );
    });
}

#[test]
fn functions_of_another_abi_version() {
    on_each(|bay| {
        let old = r#"(import "env" "proxy_get_configuration" (func (param i32 i32) (result i32)))"#;
        let (state, message) = refused(bay, &[old, MARKER, ALLOCATOR]);
        assert_eq!(state, FailState::UnableToInitializeCode);
        assert_eq!(
            message,
            "Failed to load Wasm module due to a missing import: env.proxy_get_configuration"
        );
        let new = r#"(import "env" "proxy_get_log_level" (func (param i32) (result i32)))"#;
        for version in [AbiVersion::V0_1_0, AbiVersion::V0_2_0] {
            let marker = format!(r#"(func (export "{}"))"#, version.marker());
            let (_, message) = refused(bay, &[new, &marker, ALLOCATOR]);
            assert_eq!(
                message,
                "Failed to load Wasm module due to a missing import: env.proxy_get_log_level"
            );
        }
        assert!(bay.load(&module(&[new, MARKER, ALLOCATOR])).is_ok());
    });
}

#[test]
fn wrong_signatures() {
    on_each(|bay| {
        let import = r#"(import "env" "proxy_log" (func (param i32 i32) (result i32)))"#;
        let (state, message) = refused(bay, &[import, MARKER, ALLOCATOR]);
        assert_eq!(state, FailState::UnableToInitializeCode);
        assert_eq!(
            message,
            "Failed to load Wasm module due to an import type mismatch: env.proxy_log, want: function (i32, i32) \
             -> i32, but host exports: function (i32, i32, i32) -> i32"
        );
        let callback =
            r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))"#;
        let (state, message) = refused(bay, &[MARKER, ALLOCATOR, callback]);
        assert_eq!(state, FailState::UnableToInitializeCode);
        assert_eq!(
            message,
            "Bad function signature for: proxy_on_request_headers, want: function (i32, i32, i32) -> i32, but the \
             module exports: function (i32, i32) -> i32"
        );
        // That is the signature of another version.
        let old = r#"(func (export "proxy_abi_version_0_1_0"))"#;
        let program = bay.load(&module(&[old, ALLOCATOR, callback])).unwrap();
        assert!(program.has_callback(Callback::ProxyOnRequestHeaders));
        assert!(!program.has_callback(Callback::ProxyOnRequestBody));
        let (_, message) = refused(
            bay,
            &[
                MARKER,
                ALLOCATOR,
                r#"(global (export "proxy_on_log") i32 (i32.const 0))"#,
            ],
        );
        assert!(message.ends_with("the module exports: global"), "{message}");
    });
}

#[test]
fn more_memory_than_allowed() {
    let limits = Limits {
        memory: Some(2 << 16),
        ..Limits::default()
    };
    on_each_with(limits, |bay| {
        let memory = |pages: u32| format!(r#"(memory (export "memory") {pages})"#);
        let (state, message) = refused(bay, &[&memory(3), MARKER, ALLOCATOR]);
        assert_eq!(state, FailState::UnableToInitializeCode);
        assert_eq!(
            message,
            "the module starts with a memory of 196608 bytes, and the limit is 131072: raise the limit"
        );
        assert!(bay.load(&module(&[&memory(2), MARKER, ALLOCATOR])).is_ok());
    });
}
