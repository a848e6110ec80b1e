//! The guest of `host_functions`: it runs the script that is in its configuration, so that one module serves all inputs.
//!
//! In memory: results and scratch from 0, the line that it logs at [`REPORT`], constants at [`CONSTANTS`], the script at
//! [`SCRIPT`], what its allocator gives from [`HEAP`], and [`PAGES`] pages in all.

use std::fmt::Write as _;

use enginebay::abi::{AbiVersion, Callback, FunctionDef, Namespace, Param, functions};
use enginebay::engine::{Signature, ValType};

pub(crate) const REPORT: u32 = 2048;
pub(crate) const CONSTANTS: u32 = 4096;
pub(crate) const SCRIPT: u32 = 8192;
pub(crate) const HEAP: u32 = 1 << 16;
pub(crate) const PAGES: u32 = 4;

/// The most parameters of a call.
pub(crate) const ARGS: usize = 12;
/// Bytes of one call in a script: a function, an allocator, which arguments are addresses of what is meant, and those.
pub(crate) const CALL: usize = 8 + 8 * ARGS;

/// What a guest can do besides calling host functions, by what follows their numbers.
pub(crate) const OWN: [&str; 6] = [
    "(drop (memory.grow (i32.and (local.get $a) (i32.const 255))))",
    "(i64.store (local.get $a) (i64.load (i32.const 64)))",
    "(drop (i32.div_u (i32.const 1) (i32.and (local.get $a) (i32.const 1))))",
    "(drop (call_indirect (param i32) (result i64) (i32.const 0) (local.get $a)))",
    "(if (i32.eq (local.get $a) (i32.const 7)) (then unreachable))",
    "(memory.fill (local.get $a) (i32.const 1) (i32.const 64))",
];

/// The functions that a script can name, by their place: those of this version.
pub(crate) fn callable(version: AbiVersion) -> Vec<&'static FunctionDef> {
    functions::functions_of(version).collect()
}

/// The module in text.
pub(crate) fn module(version: AbiVersion, constants: &[u8]) -> String {
    let functions = callable(version);
    let mut wat = "(module\n(type $step (func (param i32) (result i64)))\n".to_owned();
    for def in &functions {
        let module = match def.namespace {
            Namespace::Env => "env",
            Namespace::Wasi => "wasi_snapshot_preview1",
        };
        let (name, ty) = (def.name, func_type(def.signature));
        writeln!(wat, "(import \"{module}\" \"{name}\" (func ${name} {ty}))").ok();
    }
    for (at, def) in functions.iter().enumerate() {
        writeln!(wat, "(func $step{at} (type $step) {})", call(def)).ok();
    }
    for (at, body) in OWN.iter().enumerate() {
        let at = functions.len() + at;
        writeln!(
            wat,
            "(func $step{at} (type $step) (local $a i32)
            (local.set $a (i32.wrap_i64 (call $arg (local.get 0) (i32.const 0))))
            {body} (i64.const 0))"
        )
        .ok();
    }
    let count = functions.len() + OWN.len();
    let steps: String = (0..count).map(|at| format!(" $step{at}")).collect();
    // One place more than there are steps, which is empty.
    writeln!(wat, "(table {} funcref)\n(elem (i32.const 0) {steps})", count + 1).ok();
    for callback in Callback::ALL {
        if let Some(shape) = callback.shape(version) {
            wat.push_str(&entry(*callback, shape.signature, shape.result));
        }
    }
    let constants: String = constants.iter().map(|byte| format!("\\{byte:02x}")).collect();
    writeln!(
        wat,
        "(data (i32.const {CONSTANTS}) \"{constants}\")
        (func (export \"{marker}\"))
        (memory (export \"memory\") {PAGES})
        (global $heap (mut i32) (i32.const {HEAP}))
        {HELPERS})",
        marker = version.marker(),
    )
    .ok();
    wat
}

fn func_type(signature: Signature) -> String {
    let params: String = signature
        .params
        .iter()
        .map(|ty| format!(" (param {})", val_type(*ty)))
        .collect();
    let result = signature.result.map(|ty| format!(" (result {})", val_type(ty)));
    params + &result.unwrap_or_default()
}

fn val_type(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
    }
}

/// A call with the arguments of the script, and its result as 64 bits.
fn call(def: &FunctionDef) -> String {
    let mut call = format!("(call ${}", def.name);
    for (at, param) in def.params.iter().enumerate() {
        let arg = format!("(call $arg (local.get 0) (i32.const {at}))");
        match param.val_type() {
            ValType::I32 => write!(call, " (i32.wrap_i64 {arg})"),
            ValType::I64 => write!(call, " {arg}"),
            ValType::F32 => write!(call, " (f32.reinterpret_i32 (i32.wrap_i64 {arg}))"),
            ValType::F64 => write!(call, " (f64.reinterpret_i64 {arg})"),
        }
        .ok();
    }
    call.push(')');
    match def.signature.result {
        None => format!("{call} (i64.const 0)"),
        Some(ValType::I64) => call,
        Some(_) => format!("(i64.extend_i32_u {call})"),
    }
}

/// An export that runs the next group of the script.
fn entry(callback: Callback, signature: Signature, result: Option<Param>) -> String {
    let mut wat = format!("(func (export \"{callback}\") {}\n", func_type(signature));
    if callback == Callback::ProxyOnVmStart {
        wat.push_str("(call $read (local.get 1))\n");
    }
    let run = format!("(call $run (i32.const {}))", callback.index());
    match (signature.result, result) {
        // Mostly true, or nothing else would happen.
        (Some(_), Some(Param::Bool)) => {
            writeln!(wat, "(i32.ne (i32.and {run} (i32.const 7)) (i32.const 7)))")
        }
        (Some(_), _) => writeln!(wat, "{run})"),
        (None, _) => writeln!(wat, "(drop {run}))"),
    }
    .ok();
    wat
}

/// `$read` copies the script from the configuration; `$run` makes the calls of one group and reports each function's
/// number with what it returned; `$report` logs a letter and two numbers. The allocator does what the call that is under way
/// says: it gives memory (0), none (1), an address beyond memory (2), its last byte (3), or traps (4); or it gives memory after
/// making the next call of the script (5) or the first root context the current one (6).
const HELPERS: &str = r#"
    (global $allocator (mut i32) (i32.const 0))
    (global $reading (mut i32) (i32.const 0))
    (global $cursor (mut i32) (i32.const 0))
    (global $end (mut i32) (i32.const 0))
    (func (export "proxy_on_memory_allocate") (param $size i32) (result i32) (local $at i32)
        (if (global.get $reading) (then (return (i32.const 8192))))
        (if (i32.eq (global.get $allocator) (i32.const 1)) (then (return (i32.const 0))))
        (if (i32.eq (global.get $allocator) (i32.const 2)) (then (return (i32.shl (memory.size) (i32.const 16)))))
        (if (i32.eq (global.get $allocator) (i32.const 3))
            (then (return (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 1)))))
        (if (i32.eq (global.get $allocator) (i32.const 4)) (then unreachable))
        (if (i32.eq (global.get $allocator) (i32.const 5)) (then (call $next)))
        (if (i32.eq (global.get $allocator) (i32.const 6))
            (then (drop (call $proxy_set_effective_context (i32.const 1)))))
        (local.set $at (global.get $heap))
        (if (i32.gt_u (local.get $size) (i32.const 0x1000000)) (then (return (i32.const 0))))
        (global.set $heap (i32.and (i32.add (i32.add (local.get $at) (local.get $size)) (i32.const 7)) (i32.const -8)))
        (if (i32.gt_u (global.get $heap) (i32.shl (memory.size) (i32.const 16))) (then
            (if (i32.eq (i32.const -1) (memory.grow (i32.sub
                    (i32.add (i32.shr_u (global.get $heap) (i32.const 16)) (i32.const 1)) (memory.size))))
                (then (global.set $heap (local.get $at)) (return (i32.const 0))))))
        (local.get $at))
    (func $read (param $size i32)
        (global.set $reading (i32.const 1))
        (drop (call $proxy_get_buffer_bytes
            (i32.const 6) (i32.const 0) (local.get $size) (i32.const 8) (i32.const 12)))
        (global.set $reading (i32.const 0))
        (global.set $cursor (i32.const 8196))
        (global.set $end (i32.add (i32.const 8196) (i32.load (i32.const 8192)))))
    (func $arg (param $call i32) (param $at i32) (result i64) (local $value i64)
        (local.set $value (i64.load offset=8
            (i32.add (local.get $call) (i32.shl (local.get $at) (i32.const 3)))))
        (if (i32.and (i32.shr_u (i32.load offset=4 (local.get $call)) (local.get $at)) (i32.const 1))
            (then (return (i64.load (i32.and (i32.wrap_i64 (local.get $value)) (i32.const 1016))))))
        (local.get $value))
    (func $next (local $call i32) (local $function i32)
        (local.set $call (global.get $cursor))
        (if (i32.ge_u (local.get $call) (global.get $end)) (then (return)))
        (global.set $cursor (i32.add (local.get $call) (i32.const 104)))
        (local.set $function (i32.load16_u (local.get $call)))
        (global.set $allocator (i32.load8_u offset=2 (local.get $call)))
        (call $report (i32.const 115) (local.get $function)
            (call_indirect (type $step) (local.get $call) (local.get $function)))
        (global.set $allocator (i32.const 0)))
    (func $run (param $callback i32) (result i32) (local $count i32) (local $result i32)
        (if (i32.ge_u (global.get $cursor) (global.get $end)) (then (return (i32.const 0))))
        (local.set $count (i32.load (global.get $cursor)))
        (local.set $result (i32.load offset=4 (global.get $cursor)))
        (global.set $cursor (i32.add (global.get $cursor) (i32.const 8)))
        (block $done (loop $again
            (br_if $done (i32.eqz (local.get $count)))
            (br_if $done (i32.ge_u (global.get $cursor) (global.get $end)))
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (call $next)
            (br $again)))
        (call $report (i32.const 99) (local.get $callback) (call $sum))
        (local.get $result))
    (func $sum (result i64) (local $at i32) (local $sum i64)
        (loop $again
            (local.set $sum (i64.add (i64.rotl (local.get $sum) (i64.const 5)) (i64.load (local.get $at))))
            (local.set $at (i32.add (local.get $at) (i32.const 8)))
            (br_if $again (i32.lt_u (local.get $at) (i32.const 2048))))
        (i64.add (local.get $sum) (i64.extend_i32_u (memory.size))))
    (func $digits (param $end i32) (param $count i32) (param $value i64) (local $digit i32)
        (loop $again
            (local.set $end (i32.sub (local.get $end) (i32.const 1)))
            (local.set $digit (i32.and (i32.wrap_i64 (local.get $value)) (i32.const 15)))
            (i32.store8 (local.get $end) (i32.add (local.get $digit)
                (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $digit) (i32.const 10)))))
            (local.set $value (i64.shr_u (local.get $value) (i64.const 4)))
            (local.set $count (i32.sub (local.get $count) (i32.const 1)))
            (br_if $again (local.get $count))))
    (func $report (param $letter i32) (param $first i32) (param $second i64)
        (i32.store8 (i32.const 2048) (i32.const 64))
        (i32.store8 (i32.const 2049) (local.get $letter))
        (call $digits (i32.const 2058) (i32.const 8) (i64.extend_i32_u (local.get $first)))
        (call $digits (i32.const 2074) (i32.const 16) (local.get $second))
        (drop (call $proxy_log (i32.const 5) (i32.const 2048) (i32.const 26)))
        (i32.store8 (i32.const 2048) (i32.const 0)))
"#;
