//! The guest: a module that does in each callback what a script in its memory says.
//!
//! One module for each [`Flavor`] is compiled once per engine, and the script is written before each callback: so
//! thousands of scripts run in the time in which one module compiles.

use std::fmt::Write as _;

use enginebay::abi::{AbiVersion, Callback, HostFunction, Namespace, Param, functions};
use enginebay::engine::{Signature, ValType};

use crate::layout::{ALLOCATOR, END, HEAP, MOST_STEPS, OUT, PAGES, PARAMS, SCRIPT, STEP};
use crate::script::{Allocator, Deed};

/// What guests there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavor {
    pub(crate) version: AbiVersion,
    wasi: &'static str,
    allocator: &'static str,
    /// The functions that start it.
    starts: &'static [&'static str],
    /// The module's own bound on its memory, in pages.
    most_pages: Option<u32>,
}

/// All of them.
pub(crate) const FLAVORS: [Flavor; 5] = [
    Flavor {
        version: AbiVersion::V0_2_1,
        wasi: "wasi_snapshot_preview1",
        allocator: "proxy_on_memory_allocate",
        starts: &["_initialize", "main"],
        most_pages: None,
    },
    Flavor {
        version: AbiVersion::V0_2_0,
        wasi: "wasi_unstable",
        allocator: "malloc",
        starts: &["_start"],
        most_pages: Some(3),
    },
    Flavor {
        version: AbiVersion::V0_1_0,
        wasi: "wasi_unstable",
        allocator: "malloc",
        starts: &["_initialize"],
        most_pages: Some(65_536),
    },
    Flavor {
        version: AbiVersion::V0_2_1,
        wasi: "wasi_unstable",
        allocator: "malloc",
        starts: &[],
        most_pages: Some(PAGES),
    },
    Flavor {
        version: AbiVersion::V0_1_0,
        wasi: "wasi_snapshot_preview1",
        allocator: "proxy_on_memory_allocate",
        starts: &["_start"],
        most_pages: None,
    },
];

/// The code of the step that calls a function. 0 ends the script.
pub(crate) fn code(function: HostFunction) -> u32 {
    1 + function.index() as u32
}

/// The code of the step that does something without the host.
pub(crate) fn deed_code(deed: Deed) -> u32 {
    1 + HostFunction::COUNT as u32 + deed as u32
}

/// The module as text.
pub(crate) fn module(flavor: Flavor) -> String {
    let version = flavor.version;
    let mut wat =
        "(module (type $step (func (param i32))) (type $other (func (param i64) (result i64)))\n".to_owned();
    let mut steps = String::new();
    let mut table = vec!["$nothing".to_owned(); HostFunction::COUNT + 1];
    for def in functions::functions_of(version) {
        let module = match def.namespace {
            Namespace::Env => "env",
            Namespace::Wasi => flavor.wasi,
        };
        let (name, ty) = (def.name, func_type(def.signature));
        writeln!(wat, "(import \"{module}\" \"{name}\" (func ${name} {ty}))").ok();
        let args: String = std::iter::zip(def.signature.params, 0..)
            .map(|(ty, at)| argument(at, *ty))
            .collect();
        let call = match def.signature.result {
            Some(_) => format!("(i32.store (i32.load offset=4 (local.get 0)) (call ${name}{args}))"),
            None => format!("(call ${name}{args})"),
        };
        writeln!(steps, "(func $step_{name} (param i32) {call})").ok();
        table[code(def.function) as usize] = format!("$step_{name}");
    }
    for deed in Deed::ALL {
        table.push(format!("$deed_{}", *deed as u32));
        writeln!(steps, "(func $deed_{} (param i32) {})", *deed as u32, body(*deed)).ok();
    }
    let most = flavor.most_pages.map_or(String::new(), |pages| pages.to_string());
    write!(
        wat,
        r#"(memory (export "memory") {PAGES} {most})
        (table $table {size} funcref) (elem (i32.const 0) {table})
        (global $heap (mut i32) (i32.const 0))
        (global $result (mut i32) (i32.const 0))
        (global $stop (mut i32) (i32.const 0))
        (func (export "{marker}"))
        (func $nothing (param i32))
        (func $arg (param i32) (result i32)
            (if (result i32) (i32.load (local.get 0))
                (then (i32.load (i32.load offset=8 (local.get 0)))) (else (i32.load offset=8 (local.get 0)))))
        (func $arg64 (param i32) (result i64)
            (if (result i64) (i32.load (local.get 0))
                (then (i64.load (i32.load offset=8 (local.get 0)))) (else (i64.load offset=8 (local.get 0)))))
        (func $deeper (param i32) (result i32) (i32.add (i32.const 1) (call $deeper (local.get 0))))
        (func $run (param $default i32) (result i32) (local $at i32) (local $step i32)
            (global.set $heap (i32.const {HEAP}))
            (global.set $result (local.get $default))
            (global.set $stop (i32.const 0))
            (local.set $at (i32.const {SCRIPT}))
            (block $end (loop $next
                (br_if $end (i32.ge_u (local.get $step) (i32.const {MOST_STEPS})))
                (br_if $end (i32.eqz (i32.load (local.get $at))))
                (call_indirect (type $step) (local.get $at) (i32.load (local.get $at)))
                (br_if $end (global.get $stop))
                (local.set $at (i32.add (local.get $at) (i32.const {STEP})))
                (local.set $step (i32.add (local.get $step) (i32.const 1)))
                (br $next)))
            (global.get $result))
        {steps}"#,
        // Beyond the functions there are a place for one of another type, and empty ones.
        size = table.len() + 8,
        table = format_args!("{} $run", table.join(" ")),
        marker = version.marker(),
    )
    .ok();
    for callback in Callback::ALL {
        if let Some(shape) = callback.shape(version) {
            wat.push_str(&entry(*callback, shape.signature, shape.result));
        }
    }
    for start in flavor.starts {
        match *start {
            "main" => wat.push_str(
                "(func (export \"main\") (param i32 i32) (result i32) (call $run (i32.const 0)))\n",
            ),
            start => writeln!(
                wat,
                "(func (export \"{start}\") (drop (call $run (i32.const 0))))"
            )
            .unwrap_or_default(),
        }
    }
    wat.push_str(&allocator(flavor.allocator));
    wat.push(')');
    wat
}

fn argument(at: u32, ty: ValType) -> String {
    let load = if ty == ValType::I64 { "$arg64" } else { "$arg" };
    format!(
        " (call {load} (i32.add (local.get 0) (i32.const {})))",
        8 + 16 * at
    )
}

fn entry(callback: Callback, signature: Signature, result: Option<Param>) -> String {
    let mut wat = format!("(func (export \"{callback}\") {}\n", func_type(signature));
    writeln!(
        wat,
        "(i32.store (i32.const {PARAMS}) (i32.const {}))",
        callback.index()
    )
    .ok();
    for at in 0..signature.params.len() {
        let address = PARAMS as usize + 4 + 4 * at;
        writeln!(wat, "(i32.store (i32.const {address}) (local.get {at}))").ok();
    }
    let run = format!(
        "(call $run (i32.const {}))",
        u32::from(result == Some(Param::Bool))
    );
    match signature.result {
        Some(_) => writeln!(wat, "{run})"),
        None => writeln!(wat, "(drop {run}))"),
    }
    .ok();
    wat
}

/// What a step does that calls no host function.
fn body(deed: Deed) -> String {
    let (a, b, c) = (
        argument(0, ValType::I32),
        argument(1, ValType::I32),
        argument(2, ValType::I32),
    );
    let store = |value: &str| format!("(i32.store (i32.load offset=4 (local.get 0)) {value})");
    let beyond = 1 + HostFunction::COUNT + Deed::ALL.len();
    match deed {
        Deed::Return => format!("(global.set $result {a}) (global.set $stop (i32.const 1))"),
        Deed::Grow => store(&format!("(memory.grow {a})")),
        Deed::Unreachable => "(unreachable)".to_owned(),
        Deed::DivideByZero => store(&format!("(i32.div_s {a} (i32.const 0))")),
        Deed::DivideTooFar => store("(i32.div_s (i32.const 0x80000000) (i32.const -1))"),
        Deed::ConvertNan => store("(i32.trunc_f64_s (f64.div (f64.const 0) (f64.const 0)))"),
        Deed::ConvertTooFar => store("(i32.trunc_f32_u (f32.const 1e20))"),
        Deed::Load => store(&format!("(i32.load {a})")),
        Deed::LoadFar => store(&format!("(i32.wrap_i64 (i64.load offset=0xfffffff9 {a}))")),
        Deed::Store => format!("(i32.store {a} {b})"),
        Deed::StoreWide => format!("(i64.store align=1 {a} (i64.extend_i32_s {b}))"),
        Deed::CallNothing => format!("(call_indirect (type $step) {a} (i32.const {}))", beyond + 2),
        Deed::CallOtherType => format!("(call_indirect (type $step) {a} (i32.const {beyond}))"),
        Deed::CallBeyondTable => format!("(call_indirect (type $step) {a} (i32.or {b} (i32.const 0x10000)))"),
        Deed::Recurse => store(&format!("(call $deeper {a})")),
        Deed::Fill => format!("(memory.fill {a} {b} {c})"),
        Deed::Copy => format!("(memory.copy {a} {b} {c})"),
        Deed::Allocator => format!("(i32.store (i32.const {ALLOCATOR}) {a})"),
    }
}

/// The allocator, and its bad manners. What it leaves in memory tells that it was there.
fn allocator(name: &str) -> String {
    let mut wat = format!("(func (export \"{name}\") (param $size i32) (result i32) (local $kind i32)\n");
    writeln!(wat, "(local.set $kind (i32.load (i32.const {ALLOCATOR})))").ok();
    for kind in Allocator::ALL {
        let action = match kind {
            Allocator::Good => continue,
            Allocator::Null => "(return (i32.const 0))".to_owned(),
            Allocator::Outside => format!("(return (i32.const {END}))"),
            Allocator::AtTheEdge => {
                "(return (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)))".to_owned()
            }
            Allocator::Top => "(return (i32.const -1))".to_owned(),
            Allocator::OverTheScript => format!("(return (i32.const {}))", SCRIPT + STEP),
            Allocator::OverResults => format!("(return (i32.const {OUT}))"),
            Allocator::Traps => "(unreachable)".to_owned(),
            Allocator::Divides => "(return (i32.div_u (i32.const 1) (i32.const 0)))".to_owned(),
            Allocator::Recurses => "(return (call $deeper (i32.const 0)))".to_owned(),
            // -1, when it can't, is an address beyond the end.
            Allocator::Grows => "(return (i32.mul (memory.grow (i32.const 1)) (i32.const 65536)))".to_owned(),
            Allocator::SwitchesContext => {
                "(drop (call $proxy_set_effective_context (i32.const 1)))".to_owned()
            }
            Allocator::Exits => "(call $proc_exit (i32.const 7))".to_owned(),
            // The call inside allocates too: from the good allocator, or it would never end.
            Allocator::CallsForBytes => format!(
                "(i32.store (i32.const {ALLOCATOR}) (i32.const 0))
                (drop (call $proxy_get_buffer_bytes (i32.const 7) (i32.const 0) (i32.const 64)
                    (i32.const {OUT}) (i32.const {})))",
                OUT + 4
            ),
        };
        writeln!(
            wat,
            "(if (i32.eq (local.get $kind) (i32.const {})) (then {action}))",
            *kind as u32
        )
        .ok();
    }
    wat.push_str(
        "(global.get $heap)
        (global.set $heap (i32.add (global.get $heap) (i32.and (i32.add (local.get $size) (i32.const 7)) (i32.const -8)))))\n",
    );
    wat
}

fn func_type(signature: Signature) -> String {
    let mut wat = String::new();
    for ty in signature.params {
        write!(wat, " (param {ty})").ok();
    }
    if let Some(ty) = signature.result {
        write!(wat, " (result {ty})").ok();
    }
    wat
}
