//! One guest for many cases: a module with a function for each callback of each of them.
//!
//! Which case a VM is for is in the size of its configuration, so one module serves them all. The guest reports what it
//! sees in log messages at the highest level that start with `@`.

use std::fmt::Write as _;

use enginebay::abi::{AbiVersion, Callback, HostFunction, Integration, Namespace, Param, functions};
use enginebay::engine::{Signature, ValType};

use crate::case::{Allocator, Arg, Case, END, FILLER, PAGES, Step};

/// What the configuration of every VM starts with; a byte for each number of the case follows.
pub(crate) const VM_CONFIGURATION: &str = "vm configuration";

/// Where the data of cases starts; below are results and scratch space.
const DATA: usize = 8192;

/// What a report starts with.
pub(crate) const REPORT: char = '@';

/// Which functions a guest imports, and from where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Flavor {
    pub(crate) version: AbiVersion,
    pub(crate) wasi: &'static str,
}

struct Writer {
    flavor: Flavor,
    data: Vec<u8>,
    functions: String,
    table: Vec<(usize, String)>,
}

/// A module that can do all of these cases, or the first one while it starts.
pub(crate) fn module(flavor: Flavor, cases: &[&Case], start: bool) -> String {
    let mut writer = Writer {
        flavor,
        data: Vec::new(),
        functions: String::new(),
        table: Vec::new(),
    };
    for (number, case) in cases.iter().enumerate() {
        for (callback, steps) in &case.script {
            writer.case(number, cases.len(), *callback, steps);
        }
    }
    writer.finish(cases.len(), start)
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> usize {
        let at = DATA + self.data.len();
        self.data.extend_from_slice(bytes);
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        at
    }

    fn case(&mut self, number: usize, count: usize, callback: Callback, steps: &[Step]) {
        let name = format!("$case_{number}_{}", callback.index());
        let mut result = default_result(callback, self.flavor.version);
        let mut body = format!(
            "(if (global.get $done_{0}) (then (return (i32.const {result}))))
            (global.set $done_{0} (i32.const 1))
            (call $report (i32.const {1}) (i32.const {0}))\n",
            callback.index(),
            u32::from(b'c')
        );
        for step in steps {
            match step {
                Step::Return(value) => result = *value,
                step => self.step(&mut body, step),
            }
        }
        writeln!(
            self.functions,
            "(func {name} (result i32) {body} (i32.const {result}))"
        )
        .ok();
        self.table.push((callback.index() * count + number, name));
    }

    fn step(&mut self, body: &mut String, step: &Step) {
        match step {
            Step::Call {
                function,
                args,
                replaced,
                returns: _,
            } => {
                let call = self.call(*function, args, replaced);
                let status = u32::from(b's');
                match function.def().result {
                    Some(_) => writeln!(body, "(call $report (i32.const {status}) {call})"),
                    None => writeln!(body, "{call} (call $report (i32.const {status}) (i32.const 0))"),
                }
            }
            Step::Memory(at, expected) => writeln!(
                body,
                "(call $dump (i32.const {at}) (i32.const {}))",
                expected.len()
            ),
            Step::Out(_) | Step::OutStarts(_) => {
                writeln!(
                    body,
                    "(call $dump (i32.load (i32.const 8)) (i32.load (i32.const 12)))"
                )
            }
            Step::Param(at, _) => writeln!(
                body,
                "(call $report (i32.const {}) (i32.load (i32.const {})))",
                u32::from(b'p'),
                PARAMS + 4 * at
            ),
            Step::Store(at, value) => {
                writeln!(body, "(i32.store (i32.const {at}) (i32.const {value}))")
            }
            Step::Allocator(allocator) => {
                writeln!(body, "(global.set $allocator (i32.const {}))", *allocator as u32)
            }
            Step::Return(_) => Ok(()),
        }
        .ok();
    }

    /// A call with constants.
    fn call(&mut self, function: HostFunction, args: &[Arg], replaced: &[(usize, u64)]) -> String {
        let mut values: Vec<String> = Vec::new();
        for arg in args {
            let constant = |value: u64, at: usize| {
                let ty = function
                    .def()
                    .params
                    .get(at)
                    .map_or(ValType::I32, |kind| kind.val_type());
                match ty {
                    ValType::I64 => format!("(i64.const {})", value as i64),
                    _ => format!("(i32.const {})", value as u32),
                }
            };
            match arg {
                Arg::Num(value) => values.push(constant(*value, values.len())),
                Arg::Data(bytes) => {
                    let at = self.put(bytes);
                    values.push(constant(at as u64, values.len()));
                    values.push(constant(bytes.len() as u64, values.len()));
                }
                Arg::Pieces(pieces) => {
                    let mut list = Vec::new();
                    for piece in pieces {
                        let at = self.put(piece);
                        list.extend_from_slice(&(at as u32).to_le_bytes());
                        list.extend_from_slice(&(piece.len() as u32).to_le_bytes());
                    }
                    let at = self.put(&list);
                    values.push(constant(at as u64, values.len()));
                    values.push(constant(pieces.len() as u64, values.len()));
                }
                Arg::Load(at) => values.push(format!("(i32.load (i32.const {at}))")),
            }
        }
        for (at, value) in replaced {
            if let Some(arg) = values.get_mut(*at) {
                *arg = format!("(i32.const {})", *value as u32);
            }
        }
        assert_eq!(values.len(), function.def().params.len(), "{function}");
        format!("(call ${function} {})", values.join(" "))
    }

    fn finish(self, count: usize, start: bool) -> String {
        let version = self.flavor.version;
        let mut wat = "(module\n(type $case (func (result i32)))\n".to_owned();
        for def in functions::functions_of(version) {
            let module = match def.namespace {
                Namespace::Env => "env",
                Namespace::Wasi => self.flavor.wasi,
            };
            let (name, ty) = (def.name, func_type(def.signature));
            writeln!(wat, "(import \"{module}\" \"{name}\" (func ${name} {ty}))").ok();
        }
        // A place for each callback of each case: what it does, or nothing.
        let mut table = vec![String::new(); Callback::COUNT * count];
        for (at, place) in table.iter_mut().enumerate() {
            let callback = Callback::ALL[at / count.max(1)];
            *place = format!("$nothing_{}", default_result(callback, version));
        }
        let first = self.table.first().map_or(0, |(at, _)| *at);
        for (at, name) in self.table {
            table[at] = name;
        }
        writeln!(wat, "(table funcref (elem {}))", table.join(" ")).ok();
        for callback in Callback::ALL {
            let index = callback.index();
            writeln!(wat, "(global $done_{index} (mut i32) (i32.const 0))").ok();
            if !start && let Some(shape) = callback.shape(version) {
                wat.push_str(&entry(*callback, shape.signature, count));
            }
        }
        if start {
            wat.push_str("(func (export \"_initialize\") (drop (call_indirect (type $case) (i32.const ");
            writeln!(wat, "{first}))))").ok();
        }
        let hex = |bytes: &[u8]| -> String { bytes.iter().map(|byte| format!("\\{byte:02x}")).collect() };
        write!(
            wat,
            r#"(memory (export "memory") {PAGES})
            (global $case (mut i32) (i32.const 0))
            (global $allocator (mut i32) (i32.const 0))
            (global $heap (mut i32) (i32.const {heap}))
            (data (i32.const 8) "{filler}")
            (data (i32.const {DATA}) "{data}")
            (func (export "{marker}"))
            (func (export "{allocate}") (param $size i32) (result i32)
                (if (i32.eq (global.get $allocator) (i32.const {empty})) (then (return (i32.const 0))))
                (if (i32.eq (global.get $allocator) (i32.const {outside})) (then (return (i32.const {END}))))
                (if (i32.eq (global.get $allocator) (i32.const {switching}))
                    (then (drop (call $proxy_set_effective_context (i32.const 1)))))
                (global.get $heap)
                (global.set $heap (i32.add (global.get $heap) (local.get $size))))
            {HELPERS}
            {functions})"#,
            heap = (DATA + self.data.len()).next_multiple_of(4096),
            filler = hex(&[FILLER; 32]),
            data = hex(&self.data),
            marker = version.marker(),
            allocate = Integration::ProxyOnMemoryAllocate.name(),
            empty = Allocator::Empty as u32,
            outside = Allocator::Outside as u32,
            switching = Allocator::Switching as u32,
            functions = self.functions,
        )
        .ok();
        wat
    }
}

/// Where a callback's parameters are kept.
const PARAMS: u32 = 192;

/// An export that does what the case says.
fn entry(callback: Callback, signature: Signature, count: usize) -> String {
    let mut wat = format!("(func (export \"{callback}\") {}\n", func_type(signature));
    if callback == Callback::ProxyOnVmStart {
        writeln!(
            wat,
            "(global.set $case (i32.sub (local.get 1) (i32.const {})))",
            VM_CONFIGURATION.len()
        )
        .ok();
    }
    for at in 0..signature.params.len() {
        let address = PARAMS as usize + 4 * at;
        writeln!(wat, "(i32.store (i32.const {address}) (local.get {at}))").ok();
    }
    let base = callback.index() * count;
    let call = format!("(call_indirect (type $case) (i32.add (i32.const {base}) (global.get $case)))");
    match signature.result {
        Some(_) => writeln!(wat, "{call})"),
        None => writeln!(wat, "(drop {call}))"),
    }
    .ok();
    wat
}

/// True, or "go on".
fn default_result(callback: Callback, version: AbiVersion) -> u32 {
    let result = callback.shape(version).and_then(|shape| shape.result);
    u32::from(result == Some(Param::Bool))
}

pub(crate) fn func_type(signature: Signature) -> String {
    let mut wat = String::new();
    for ty in signature.params {
        write!(wat, " (param {})", val_type(*ty)).ok();
    }
    if let Some(ty) = signature.result {
        write!(wat, " (result {})", val_type(ty)).ok();
    }
    wat
}

pub(crate) fn val_type(ty: ValType) -> &'static str {
    match ty {
        ValType::I32 => "i32",
        ValType::I64 => "i64",
        ValType::F32 => "f32",
        ValType::F64 => "f64",
    }
}

/// `$report` writes a letter and a number, `$dump` bytes, both to the log.
const HELPERS: &str = r#"
    (func $nothing_0 (result i32) (i32.const 0))
    (func $nothing_1 (result i32) (i32.const 1))
    (func $say (param $end i32)
        (drop (call $proxy_log (i32.const 5) (i32.const 2048) (i32.sub (local.get $end) (i32.const 2048)))))
    (func $digit (param $at i32) (param $value i32)
        (i32.store8 (local.get $at) (i32.add (local.get $value)
            (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get $value) (i32.const 10))))))
    (func $begin (param $letter i32)
        (i32.store8 (i32.const 2048) (i32.const 64))
        (i32.store8 (i32.const 2049) (local.get $letter)))
    (func $report (param $letter i32) (param $value i32) (local $at i32)
        (call $begin (local.get $letter))
        (local.set $at (i32.const 2058))
        (loop $again
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (call $digit (local.get $at) (i32.and (local.get $value) (i32.const 15)))
            (local.set $value (i32.shr_u (local.get $value) (i32.const 4)))
            (br_if $again (i32.gt_u (local.get $at) (i32.const 2050))))
        (call $say (i32.const 2058)))
    (func $dump (param $from i32) (param $len i32) (local $at i32) (local $byte i32)
        (call $begin (i32.const 109))
        (local.set $at (i32.const 2050))
        (block $end (loop $again
            (br_if $end (i32.eqz (local.get $len)))
            (br_if $end (i32.ge_u (local.get $at) (i32.const 6000)))
            (local.set $byte (i32.load8_u (local.get $from)))
            (call $digit (local.get $at) (i32.shr_u (local.get $byte) (i32.const 4)))
            (call $digit (i32.add (local.get $at) (i32.const 1)) (i32.and (local.get $byte) (i32.const 15)))
            (local.set $at (i32.add (local.get $at) (i32.const 2)))
            (local.set $from (i32.add (local.get $from) (i32.const 1)))
            (local.set $len (i32.sub (local.get $len) (i32.const 1)))
            (br $again)))
        (call $say (local.get $at)))
"#;
