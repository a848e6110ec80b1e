//! The other kind of case: a random module, and calls of what it exports.

use std::cell::Cell;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use arbitrary::Unstructured;
use enginebay::engine::{
    Export, ExportId, Guest, Host, HostError, HostFunction, Instance, LoadRequest, Module, Signature, ValType,
};
use fastrand::Rng;
use wasm_smith::Config;
use wasmparser::{Validator, WasmFeatures};

use crate::probe::Recorder;
use crate::smaller::without_parts;
use crate::subject::Subject;
use crate::trace::Trace;

const I32: ValType = ValType::I32;
const I64: ValType = ValType::I64;
const F32: ValType = ValType::F32;
const F64: ValType = ValType::F64;

/// What every module exports, besides its memory.
const EXPORTS: [Export; 6] = [
    export("a", &[], Some(I32)),
    export("b", &[I32, I64], Some(I64)),
    export("c", &[F32, F64], Some(F64)),
    export("d", &[I32, I32, I32], None),
    export("e", &[F64, F32], Some(F32)),
    export("f", &[I64, I32, F64, F32, I32, I64], Some(I32)),
];

/// What a module may import.
const IMPORTS: [HostFunction; 5] = [
    // Not without parameters: it could be the start function then, and a host function that is called so, and not by the
    // guest, sees no memory on wasmi, which does not say whose start it is. None of Proxy-Wasm's has such a type.
    import("nothing", &[I32], None),
    import("mixed", &[I32, I64, F32, F64], Some(I64)),
    import("float", &[F64, F32], Some(F64)),
    import("single", &[I32], Some(F32)),
    import("back", &[I32], Some(I32)),
];

/// The import that calls back into the guest.
const BACK: usize = 4;

const SHAPE: &str = r#"(module
    (memory (export "memory") 1 6)
    (func (export "a") (result i32) unreachable)
    (func (export "b") (param i32 i64) (result i64) unreachable)
    (func (export "c") (param f32 f64) (result f64) unreachable)
    (func (export "d") (param i32 i32 i32))
    (func (export "e") (param f64 f32) (result f32) unreachable)
    (func (export "f") (param i64 i32 f64 f32 i32 i64) (result i32) unreachable))"#;

const OFFERS: &str = r#"(module
    (import "env" "nothing" (func (param i32)))
    (import "env" "mixed" (func (param i32 i64 f32 f64) (result i64)))
    (import "env" "float" (func (param f64 f32) (result f64)))
    (import "env" "single" (func (param i32) (result f32)))
    (import "env" "back" (func (param i32) (result i32))))"#;

/// Calls and loops that a module may make before it traps. So few that no engine's stack is used up by them: how deep
/// calls can go in a stack of some size is not the same on two engines.
const FUEL: u32 = 200;

const fn export(name: &'static str, params: &'static [ValType], result: Option<ValType>) -> Export {
    Export {
        name,
        signature: Signature::new(params, result),
    }
}

const fn import(name: &'static str, params: &'static [ValType], result: Option<ValType>) -> HostFunction {
    HostFunction {
        module: "env",
        name,
        signature: Signature::new(params, result),
    }
}

/// A call of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    export: usize,
    args: Vec<u64>,
    /// Of an instance of its own, and not the one before.
    fresh: bool,
}

/// A case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleCase {
    config: u64,
    seed: Vec<u8>,
    calls: Vec<Call>,
    code: Vec<u8>,
}

/// What all engines take, which is what WAMR does: WebAssembly 2.0 without vectors. The bits of a NaN that arithmetic
/// makes are the engine's to choose, so they are made the same.
fn config(rng: &mut Rng) -> Config {
    Config {
        exports: wat::parse_str(SHAPE).ok(),
        available_imports: wat::parse_str(OFFERS).ok(),
        canonicalize_nans: true,
        allow_start_export: rng.u8(0..4) == 0,
        bulk_memory_enabled: true,
        reference_types_enabled: rng.bool(),
        multi_value_enabled: rng.bool(),
        saturating_float_to_int_enabled: true,
        sign_extension_ops_enabled: true,
        simd_enabled: false,
        relaxed_simd_enabled: false,
        threads_enabled: false,
        exceptions_enabled: false,
        gc_enabled: false,
        memory64_enabled: false,
        tail_call_enabled: false,
        extended_const_enabled: false,
        // Besides the one that is exported.
        max_memories: 0,
        disallow_traps: rng.bool(),
        max_memory32_bytes: 1 << 20,
        max_tables: 3,
        max_table_elements: 100,
        max_funcs: 12,
        max_types: 20,
        max_instructions: rng.usize(20..200),
        max_nesting_depth: 8,
        ..Config::default()
    }
}

/// The case of a seed: the same one every time.
pub(crate) fn case(seed: u64) -> ModuleCase {
    const NUMBERS: [u64; 12] = [
        0,
        1,
        7,
        65_532,
        65_536,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x3f80_0000,
        0x4000_0000_0000_0000,
        0x8000_0000_0000_0000,
        u64::MAX,
    ];
    let mut rng = Rng::with_seed(seed);
    let len = rng.usize(200..4000);
    let bytes: Vec<u8> = std::iter::repeat_with(|| rng.u8(..)).take(len).collect();
    let mut calls = Vec::new();
    for _ in 0..rng.usize(1..10) {
        let export = rng.usize(0..EXPORTS.len());
        let word = |ty: &ValType, rng: &mut Rng| {
            let word = match rng.bool() {
                true => rng.u64(..),
                false => rng.choice(NUMBERS).unwrap_or_default(),
            };
            match ty {
                ValType::I32 => word & 0xffff_ffff,
                ValType::I64 => word,
                // A NaN that signals may come back as one that doesn't.
                ValType::F32 => u64::from((word as u32 as f32).to_bits()),
                ValType::F64 => (word as f64).to_bits(),
            }
        };
        calls.push(Call {
            export,
            args: EXPORTS[export]
                .signature
                .params
                .iter()
                .map(|ty| word(ty, &mut rng))
                .collect(),
            fresh: rng.u8(0..3) == 0,
        });
    }
    let config = rng.u64(..);
    ModuleCase {
        code: module(config, &bytes),
        config,
        seed: bytes,
        calls,
    }
}

/// The module that these bytes give; none, if they give none.
fn module(config_seed: u64, bytes: &[u8]) -> Vec<u8> {
    let config = config(&mut Rng::with_seed(config_seed));
    let generate = |config| {
        let mut module = wasm_smith::Module::new(config, &mut Unstructured::new(bytes)).ok()?;
        module.ensure_termination(FUEL).ok()?;
        Some(module.to_bytes())
    };
    let code = generate(config.clone()).unwrap_or_default();
    if Validator::new_with_features(FEATURES).validate_all(&code).is_ok() {
        return code;
    }
    let config = Config {
        reference_types_enabled: false,
        ..config
    };
    generate(config).unwrap_or_default()
}

/// What modules may use. Of the reference types only those to functions: our build of wasmtime has no collector of garbage,
/// which `externref` would take, and the others have.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .difference(WasmFeatures::SIMD)
    .difference(WasmFeatures::GC_TYPES);

/// Answers with numbers made of the arguments.
#[derive(Default)]
struct Answers {
    /// How many calls back into the guest are under way.
    depth: Cell<u32>,
}

/// Calls back into the guest, one inside the other: further than here each engine has its own end of the stack.
const DEEPEST: u32 = 4;

impl Host for Answers {
    fn call(&self, function: usize, guest: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError> {
        if function == BACK {
            if self.depth.get() == DEEPEST {
                return Ok(0);
            }
            self.depth.set(self.depth.get() + 1);
            let result = guest.call(ExportId(0), &[]);
            self.depth.set(self.depth.get() - 1);
            return Ok(result?);
        }
        let sum = args
            .iter()
            .fold(3u64, |sum, word| sum.wrapping_mul(31).wrapping_add(*word));
        if let Ok(place) = guest.memory().write(sum % 70_000, 1) {
            place[0] = sum as u8;
        }
        Ok(
            match IMPORTS.get(function).and_then(|import| import.signature.result) {
                None => 0,
                Some(I32) => sum & 0xffff_ffff,
                Some(I64) => sum,
                Some(F32) => u64::from((sum as f32).to_bits()),
                Some(F64) => (sum as f64).to_bits(),
            },
        )
    }
}

/// Plays a case, and keeps the memory of the line `look`.
pub(crate) fn play(subject: &Subject, case: &ModuleCase, look: Option<usize>) -> Trace {
    let recorder = Recorder::install(Vec::new(), look);
    let loaded = subject
        .engine()
        .load(&LoadRequest::new(&case.code, &IMPORTS, &EXPORTS));
    let module = match loaded {
        Ok(module) => module,
        Err(error) => {
            recorder.note(format!("not loaded: {:?}", error.kind()));
            return recorder.finish();
        }
    };
    let mut instance = None;
    for (number, call) in case.calls.iter().enumerate() {
        recorder.begin(number, Vec::new());
        if call.fresh || instance.is_none() {
            instance = instantiate(&module, &recorder);
        }
        let Some(guest) = &mut instance else {
            continue;
        };
        if guest.call(ExportId(call.export as u16), &call.args).is_err() {
            // The boundary does not say what becomes of an instance that trapped: a host never enters it again.
            instance = None;
        }
    }
    recorder.finish()
}

fn instantiate(module: &Arc<dyn Module>, recorder: &Recorder) -> Option<Box<dyn Instance>> {
    match module.instantiate(Rc::new(Answers::default())) {
        Ok(mut instance) => {
            let memory = instance.memory();
            let bytes = memory.read(0, memory.len() as u64).unwrap_or_default();
            recorder.note(format!(
                "instance; memory {:08x} of {:#x}",
                crc32fast::hash(bytes),
                bytes.len()
            ));
            Some(instance)
        }
        Err(error) => {
            // Not the trap behind it: whether a segment that does not fit is one, the boundary leaves to the engine.
            recorder.note(format!("no instance: {:?}", error.kind()));
            None
        }
    }
}

/// Cases a little smaller than this one.
pub(crate) fn smaller(case: &ModuleCase) -> Vec<ModuleCase> {
    let calls = without_parts(&case.calls).into_iter().map(|calls| ModuleCase {
        calls,
        ..case.clone()
    });
    let mut all: Vec<ModuleCase> = calls.collect();
    for (number, call) in case.calls.iter().enumerate() {
        for at in 0..call.args.len() {
            let mut new = case.clone();
            if std::mem::take(&mut new.calls[number].args[at]) != 0 {
                all.push(new);
            }
        }
    }
    // Fewer bytes give a smaller module; single ones are too many to try.
    for seed in without_parts(&case.seed) {
        if case.seed.len() - seed.len() < 8 && seed.len() > 64 {
            break;
        }
        let code = module(case.config, &seed);
        if code.len() < case.code.len() {
            all.push(ModuleCase {
                seed,
                code,
                ..case.clone()
            });
        }
    }
    all
}

impl fmt::Display for ModuleCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, call) in self.calls.iter().enumerate() {
            let fresh = if call.fresh { " of a new instance" } else { "" };
            writeln!(
                f,
                "event {number}: {}({:x?}){fresh}",
                EXPORTS[call.export].name, call.args
            )?;
        }
        match wasmprinter::print_bytes(&self.code) {
            Ok(text) => writeln!(f, "{text}"),
            Err(error) => writeln!(f, "no module: {error}"),
        }
    }
}
