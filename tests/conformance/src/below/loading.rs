//! What loads, what does not, and in which words it is refused.

use enginebay::FailState;
use enginebay::abi::{AbiVersion, Callback};

use super::Case;
use super::bay::{Bay, Verdict, fails, same};

pub(super) const CASES: &[Case] = &[
    ("loading/each_marker", each_marker),
    ("loading/no_marker", no_marker),
    ("loading/an_unknown_marker", unknown_marker),
    ("loading/the_newest_of_several_markers", newest_marker),
    ("loading/no_allocator", no_allocator),
    ("loading/malloc_instead_of_proxy_on_memory_allocate", malloc),
    ("loading/proxy_on_memory_allocate_before_malloc", both_allocators),
    ("loading/an_allocator_of_another_type", wrong_allocator),
    ("loading/unknown_imports_are_all_named", unknown_imports),
    ("loading/an_import_of_another_type", wrong_import),
    ("loading/an_import_of_another_version", other_version),
    ("loading/a_callback_of_another_type", wrong_callback),
    ("loading/a_callback_of_another_version", other_versions_callback),
    ("loading/a_callback_that_is_no_function", no_function),
    ("loading/an_imported_memory", imported_memory),
    ("loading/no_memory", no_memory),
    ("loading/a_memory_that_is_not_exported", hidden_memory),
    ("loading/two_memories", two_memories),
    ("loading/no_module", no_module),
];

const MARKER: &str = r#"(func (export "proxy_abi_version_0_2_1"))"#;
const OLDER: &str = r#"(func (export "proxy_abi_version_0_1_0"))"#;
const UNKNOWN: &str = r#"(func (export "proxy_abi_version_0_3_0"))"#;
const ALLOCATOR: &str =
    r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 0))"#;

fn module(parts: &[&str]) -> String {
    format!("(module {})", parts.concat())
}

fn loads(bay: &Bay, parts: &[&str]) -> Verdict {
    bay.load(&module(parts))?;
    Ok(())
}

/// It is refused as code that can't be used.
fn refused(bay: &Bay, parts: &[&str], message: &str) -> Verdict {
    fails(
        bay.load(&module(parts)),
        FailState::UnableToInitializeCode,
        message,
    )
}

fn each_marker(bay: &mut Bay) -> Verdict {
    for version in AbiVersion::ALL {
        let marker = format!(r#"(func (export "{}"))"#, version.marker());
        let program = bay.load(&module(&[ALLOCATOR, &marker]))?;
        same(program.abi_version(), *version)?;
    }
    Ok(())
}

fn no_marker(bay: &mut Bay) -> Verdict {
    let message = "Missing or unknown Proxy-Wasm ABI version: it exports no proxy_abi_version_* marker";
    refused(bay, &[ALLOCATOR], message)
}

fn unknown_marker(bay: &mut Bay) -> Verdict {
    let message = "Missing or unknown Proxy-Wasm ABI version: it exports proxy_abi_version_0_3_0";
    refused(bay, &[ALLOCATOR, UNKNOWN], message)
}

fn newest_marker(bay: &mut Bay) -> Verdict {
    for markers in [[UNKNOWN, MARKER, OLDER], [OLDER, MARKER, UNKNOWN]] {
        let program = bay.load(&module(&[ALLOCATOR, &markers.concat()]))?;
        same(program.abi_version(), AbiVersion::V0_2_1)?;
    }
    Ok(())
}

fn no_allocator(bay: &mut Bay) -> Verdict {
    let message = "Wasm module is missing malloc function";
    fails(bay.load(&module(&[MARKER])), FailState::MissingFunction, message)
}

fn malloc(bay: &mut Bay) -> Verdict {
    same(allocated(bay, &[MALLOC_AT_3000])?, vec!["3000"])
}

fn both_allocators(bay: &mut Bay) -> Verdict {
    let at_2000 = r#"(func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 2000))"#;
    same(allocated(bay, &[at_2000, MALLOC_AT_3000])?, vec!["2000"])?;
    same(allocated(bay, &[MALLOC_AT_3000, at_2000])?, vec!["2000"])
}

const MALLOC_AT_3000: &str = r#"(func (export "malloc") (param i32) (result i32) (i32.const 3000))"#;

/// Where a plugin finds its configuration.
fn allocated(bay: &Bay, allocators: &[&str]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let wat = format!(
        r#"(module
            (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 100) "20003000") {MARKER} {}
            (func (export "proxy_on_configure") (param i32 i32) (result i32)
                (drop (call $get (i32.const 7) (i32.const 0) (i32.const 4) (i32.const 8) (i32.const 12)))
                (drop (call $proxy_log (i32.const 0)
                    (select (i32.const 100) (i32.const 104) (i32.eq (i32.load (i32.const 8)) (i32.const 2000)))
                    (i32.const 4)))
                (i32.const 1)))"#,
        allocators.concat()
    );
    let vm = enginebay::Vm::<()>::new(&bay.load(&wat)?, &Default::default(), bay.world.clone())?;
    vm.start_plugin(super::bay::plugin("p"))?;
    Ok(bay.reports())
}

fn wrong_allocator(bay: &mut Bay) -> Verdict {
    let wrong = r#"(func (export "malloc") (param i64) (result i32) (i32.const 0))"#;
    let message = "Bad function signature for: malloc, want: function (i32) -> i32, but the module exports: \
                   function (i64) -> i32";
    refused(bay, &[MARKER, wrong], message)?;
    // Also where another one is there.
    refused(bay, &[MARKER, ALLOCATOR, wrong], message)
}

fn unknown_imports(bay: &mut Bay) -> Verdict {
    let imports = r#"(import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
        (import "env" "proxy_fly" (func)) (import "wasi_snapshot_preview1" "fd_fly" (func))"#;
    let message = "due to a missing import: env.proxy_fly, wasi_snapshot_preview1.fd_fly";
    refused(bay, &[imports, MARKER, ALLOCATOR], message)
}

fn wrong_import(bay: &mut Bay) -> Verdict {
    let import = r#"(import "env" "proxy_log" (func (param i32 i32) (result i32)))"#;
    let message = "due to an import type mismatch: env.proxy_log, want: function (i32, i32) -> i32, but host \
                   exports: function (i32, i32, i32) -> i32";
    refused(bay, &[import, MARKER, ALLOCATOR], message)
}

fn other_version(bay: &mut Bay) -> Verdict {
    let old = r#"(import "env" "proxy_get_configuration" (func (param i32 i32) (result i32)))"#;
    let new = r#"(import "env" "proxy_get_log_level" (func (param i32) (result i32)))"#;
    refused(
        bay,
        &[old, MARKER, ALLOCATOR],
        "missing import: env.proxy_get_configuration",
    )?;
    refused(
        bay,
        &[new, OLDER, ALLOCATOR],
        "missing import: env.proxy_get_log_level",
    )?;
    loads(bay, &[old, OLDER, ALLOCATOR])?;
    loads(bay, &[new, MARKER, ALLOCATOR])
}

const OLD_HEADERS: &str =
    r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32) (i32.const 0))"#;

fn wrong_callback(bay: &mut Bay) -> Verdict {
    let message = "Bad function signature for: proxy_on_request_headers, want: function (i32, i32, i32) -> i32, \
                   but the module exports: function (i32, i32) -> i32";
    refused(bay, &[MARKER, ALLOCATOR, OLD_HEADERS], message)?;
    let tick = r#"(func (export "proxy_on_tick") (param i32) (result i32) (i32.const 0))"#;
    let message = "Bad function signature for: proxy_on_tick, want: function (i32), but the module exports: \
                   function (i32) -> i32";
    refused(bay, &[MARKER, ALLOCATOR, tick], message)
}

fn other_versions_callback(bay: &mut Bay) -> Verdict {
    let program = bay.load(&module(&[OLDER, ALLOCATOR, OLD_HEADERS]))?;
    same(program.has_callback(Callback::ProxyOnRequestHeaders), true)?;
    same(program.has_callback(Callback::ProxyOnRequestBody), false)
}

fn no_function(bay: &mut Bay) -> Verdict {
    let global = r#"(global (export "proxy_on_log") i32 (i32.const 0))"#;
    let message =
        "Bad function signature for: proxy_on_log, want: function (i32), but the module exports: global";
    refused(bay, &[MARKER, ALLOCATOR, global], message)
}

fn imported_memory(bay: &mut Bay) -> Verdict {
    let import = r#"(import "env" "memory" (memory 1))"#;
    refused(
        bay,
        &[import, MARKER, ALLOCATOR],
        "missing import: env.memory (memory)",
    )
}

/// Calls functions that look at the memory, of which there is none: 6 is `INVALID_MEMORY_ACCESS`.
fn without_memory(bay: &Bay, memory: &str) -> Verdict {
    let wat = format!(
        r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
            {memory} {MARKER} {ALLOCATOR}
            (func (export "proxy_on_configure") (param i32 i32) (result i32)
                (i32.and
                    (i32.eq (i32.const 6) (call $log (i32.const 2) (i32.const 0) (i32.const 1)))
                    (i32.eq (i32.const 6) (call $get (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 0)
                        (i32.const 4))))))"#
    );
    let vm = enginebay::Vm::<()>::new(&bay.load(&wat)?, &Default::default(), bay.world.clone())?;
    same(vm.memory_size(), 0)?;
    vm.start_plugin(super::bay::plugin("p"))?;
    Ok(())
}

fn no_memory(bay: &mut Bay) -> Verdict {
    without_memory(bay, "")
}

fn hidden_memory(bay: &mut Bay) -> Verdict {
    without_memory(bay, "(memory 1)")?;
    without_memory(bay, r#"(memory (export "mem") 1)"#)
}

fn two_memories(bay: &mut Bay) -> Verdict {
    let memories = r#"(memory (export "memory") 1) (memory (export "other") 1)"#;
    refused(bay, &[memories, MARKER, ALLOCATOR], "")
}

fn no_module(bay: &mut Bay) -> Verdict {
    for code in [&b""[..], b"no module", b"\0asm", b"\0asm\x01\0\0\0\xff"] {
        fails(bay.load_bytes(code), FailState::UnableToInitializeCode, "")?;
    }
    Ok(())
}
