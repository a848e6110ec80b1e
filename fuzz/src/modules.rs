//! Loading modules on every engine: any bytes, modules of `wasm-smith`, and damaged plugins.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use arbitrary::Unstructured;
use enginebay::engine::{ModuleInfo, TrapKind};
use enginebay::host::Program;
use enginebay::{Failure, Limits, PluginConfig, Vm, VmConfig};
use wasmparser::{Validator, WasmFeatures};

use crate::embedder::{World, note};
use crate::engines::{self, Named};
use crate::input::Input;

/// The first byte says what the rest is: a module, what `wasm-smith` makes one from, or changes to a real plugin.
pub fn run(input: &[u8]) {
    let mut input = Input(input);
    match input.u8() % 3 {
        0 => check(input.0, false),
        1 => {
            if let Some(code) = generated(&mut input) {
                check(&code, true);
            }
        }
        _ => check(&damaged(&mut input), false),
    }
}

/// What all engines know: what WAMR does, but for `externref`, which wasmtime takes only with its garbage collector.
const COMMON: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::FLOATS);

const MEMORY: u64 = 4 << 20;

static ENGINES: LazyLock<Vec<Named>> = LazyLock::new(|| {
    engines::all(Limits {
        memory: Some(MEMORY),
        table_elements: Some(20_000),
        call_time: Some(Duration::from_millis(200)),
        ..Limits::default()
    })
});

/// What is no module anywhere is refused by all engines. What is one by the rules that all engines know is taken by all of
/// them, or refused by all with the same words: only the checks before compilation, which are the same for all, may find
/// something. Between the two lie proposals that some engines know. `exact`: what it does is the same everywhere, too.
fn check(code: &[u8], exact: bool) {
    let valid = |features| Validator::new_with_features(features).validate_all(code).is_ok();
    let nowhere = !valid(WasmFeatures::all()) || ModuleInfo::parse(code).is_err();
    let everywhere = valid(COMMON);
    let mut first: Option<(&str, Result<Vec<String>, String>)> = None;
    for Named { name, engine } in ENGINES.iter() {
        let loaded = Program::load(&**engine, code);
        if nowhere {
            assert!(loaded.is_err(), "{name} takes what is no module");
        }
        let outcome = loaded.map_err(|failure| failure.to_string()).map(start);
        if !everywhere {
            continue;
        }
        let Some((other, expected)) = &first else {
            first = Some((name, outcome));
            continue;
        };
        match (expected, &outcome) {
            (Ok(expected), Ok(found)) => {
                let timing = |trace: &[String]| trace.iter().any(|line| line == BY_TIME);
                if exact && !timing(expected) && !timing(found) {
                    assert_eq!(expected, found, "{other} and {name} differ");
                }
            }
            (Err(expected), Err(found)) => assert_eq!(expected, found, "{other} and {name} differ"),
            (Ok(_), Err(why)) => panic!("{other} takes what {name} refuses: {why}"),
            (Err(why), Ok(_)) => panic!("{name} takes what {other} refuses: {why}"),
        }
    }
}

/// Ends the trace of a module that went on until it was stopped, at a point that is not the same everywhere.
const BY_TIME: &str = "stopped";

/// Makes an instance and starts a plugin.
fn start(program: Program) -> Vec<String> {
    let world = Rc::new(World::new());
    let config = Arc::new(VmConfig {
        configuration: b"vm configuration".to_vec(),
        ..VmConfig::default()
    });
    let result = Vm::<()>::new(&Arc::new(program), &config, world.clone()).and_then(|vm| {
        let result = vm.start_plugin(PluginConfig::default());
        let memory = vm.memory_size();
        assert!(memory <= MEMORY, "{memory} bytes of memory");
        note(&world.trace, format!("memory {memory}"));
        result
    });
    if let Err(failure) = result {
        note(&world.trace, describe(&failure));
    }
    world.trace.take()
}

fn describe(failure: &Failure) -> String {
    assert!(
        !failure.to_string().contains("a host function panicked"),
        "{failure}"
    );
    match failure.trap().map(|trap| trap.kind()) {
        Some(TrapKind::Interrupted | TrapKind::StackOverflow | TrapKind::OutOfMemory) => BY_TIME.to_owned(),
        kind => format!("failed: {} {:?} {kind:?}", failure.state(), failure.function()),
    }
}

/// What every module of `wasm-smith` exports, so that it is a plugin.
const EXPORTS: &str = r#"(module
    (memory (export "memory") 1 16)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "_initialize"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 0)
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) i32.const 1)
    (func (export "proxy_on_configure") (param i32 i32) (result i32) i32.const 1))"#;

/// What it can import.
const IMPORTS: &str = r#"(module
    (import "env" "proxy_log" (func (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_property" (func (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func (param i32) (result i32)))
    (import "env" "proxy_get_current_time_nanoseconds" (func (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func (param i32))))"#;

fn generated(input: &mut Input<'_>) -> Option<Vec<u8>> {
    let proposals = input.u8();
    let has = |bit: u8| proposals & (1 << bit) != 0;
    let config = wasm_smith::Config {
        exports: wat::parse_str(EXPORTS).ok(),
        available_imports: wat::parse_str(IMPORTS).ok(),
        canonicalize_nans: true,
        max_memory32_bytes: 16 << 16,
        memory_max_size_required: true,
        max_table_elements: 1000,
        table_max_size_required: true,
        max_tables: 2,
        max_instructions: 200,
        max_funcs: 20,
        simd_enabled: has(0),
        relaxed_simd_enabled: has(0) && has(1),
        reference_types_enabled: has(1),
        tail_call_enabled: has(2),
        extended_const_enabled: has(3),
        memory64_enabled: has(4),
        exceptions_enabled: has(5),
        gc_enabled: has(6),
        threads_enabled: false,
        // Also function bodies that are none.
        allow_invalid_funcs: has(7),
        ..wasm_smith::Config::default()
    };
    let mut module = wasm_smith::Module::new(config, &mut Unstructured::new(input.0)).ok()?;
    // Calls and loops count down, and what runs out of it traps.
    module.ensure_termination(2000).ok()?;
    Some(module.to_bytes())
}

/// Real plugins; small ones, since each is compiled on every engine.
const PLUGINS: [&[u8]; 2] = [
    include_bytes!("../../tests/guests/wasm/assemblyscript.wasm"),
    include_bytes!("../../tests/guests/wasm/noop.wasm"),
];

fn damaged(input: &mut Input<'_>) -> Vec<u8> {
    let choice = input.u8();
    // The smaller one mostly.
    let mut code = PLUGINS[usize::from(choice > 0xf0)].to_vec();
    for _ in 0..8 {
        if input.is_empty() {
            break;
        }
        let (kind, at) = (input.u8(), input.u32() as usize % code.len().max(1));
        match kind % 5 {
            0 => {
                if let Some(byte) = code.get_mut(at) {
                    *byte ^= input.u8();
                }
            }
            1 => {
                let new = input.take(4);
                for (byte, new) in code.iter_mut().skip(at).zip(new) {
                    *byte = *new;
                }
            }
            2 => {
                let len = usize::from(input.u8() % 64);
                code.drain(at..(at + len).min(code.len()));
            }
            3 => {
                let len = usize::from(input.u8() % 64);
                let piece = code[at..(at + len).min(code.len())].to_vec();
                code.splice(at..at, piece);
            }
            // The header and the sections' starts are where most happens.
            _ => {
                if let Some(byte) = code.get_mut(at % 4096) {
                    *byte = input.u8();
                }
            }
        }
    }
    code
}
