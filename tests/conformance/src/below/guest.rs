//! Guests, written as the bodies of their exports.

use std::fmt::Write as _;

use enginebay::abi::functions::{functions_of, lookup};
use enginebay::abi::{AbiVersion, Callback, Integration, Namespace, Param};

use crate::guest::{func_type, val_type};

/// Where guests have an address and a size returned to, by habit.
pub(super) const AT: u32 = 8;
pub(super) const LEN: u32 = 12;
/// Where they have another number returned to.
pub(super) const NUMBER: u32 = 16;

/// Where data starts.
const DATA: usize = 1024;

/// A module that imports the functions it calls under their own names, and reports at the finest
/// level: `$n` logs a number, `$log` the bytes at an address, `$out` those that [`AT`] and [`LEN`] lead to.
pub(super) struct Guest {
    version: AbiVersion,
    memory: &'static str,
    allocator: String,
    data: Vec<u8>,
    parts: String,
}

impl Guest {
    pub(super) fn new() -> Self {
        Guest::of(AbiVersion::V0_2_1)
    }

    pub(super) fn of(version: AbiVersion) -> Self {
        Guest {
            version,
            memory: "4",
            allocator: BUMP.to_owned(),
            data: Vec::new(),
            parts: String::new(),
        }
    }

    /// With so many pages of memory, or a range of them.
    pub(super) fn memory(mut self, pages: &'static str) -> Self {
        self.memory = pages;
        self
    }

    /// With an allocator that does this: its parameter is `$size`, and the next free address the global `$heap`.
    pub(super) fn allocator(mut self, body: impl Into<String>) -> Self {
        self.allocator = body.into();
        self
    }

    /// Puts bytes into the guest's memory, and says where and how many they are.
    pub(super) fn put(&mut self, bytes: impl AsRef<[u8]>) -> [u32; 2] {
        let bytes = bytes.as_ref();
        let at = DATA + self.data.len();
        self.data.extend_from_slice(bytes);
        // Aligned for whoever stores numbers there.
        self.data.resize(self.data.len().next_multiple_of(8), 0);
        [at as u32, bytes.len() as u32]
    }

    /// An export that does this, and returns true or goes on.
    pub(super) fn on(self, export: &str, body: impl AsRef<str>) -> Self {
        let result = match self.shape(export).result {
            Some(Param::Bool) => "(i32.const 1)",
            Some(_) => "(i32.const 0)",
            None => "",
        };
        self.returning(export, body, result)
    }

    /// An export that does this and returns that.
    pub(super) fn returning(mut self, export: &str, body: impl AsRef<str>, result: &str) -> Self {
        let shape = self.shape(export);
        let mut params = String::new();
        for (name, ty) in std::iter::zip(shape.param_names, shape.signature.params) {
            write!(params, " (param ${name} {})", val_type(*ty)).ok();
        }
        if let Some(ty) = shape.signature.result {
            write!(params, " (result {})", val_type(ty)).ok();
        }
        let body = body.as_ref();
        writeln!(
            self.parts,
            "(func (export \"{export}\"){params}\n{body} {result})"
        )
        .ok();
        self
    }

    /// Likewise for `proxy_on_request_headers`.
    pub(super) fn on_request(self, steps: &[String]) -> Self {
        self.on("proxy_on_request_headers", steps.concat())
    }

    /// More of the module.
    pub(super) fn and(mut self, wat: &str) -> Self {
        self.parts.push_str(wat);
        self
    }

    fn shape(&self, export: &str) -> enginebay::abi::Shape {
        let shape = Callback::from_name(export)
            .and_then(|export| export.shape(self.version))
            .or_else(|| Integration::from_name(export)?.shape(self.version));
        *shape.unwrap_or_else(|| panic!("the version has no {export}"))
    }

    pub(super) fn wat(&self) -> String {
        let mut wat = "(module\n".to_owned();
        // Only what is called: linking all functions would take most of the time of a case.
        let called = |name: &str| {
            let mut bodies = [REPORTS, &self.allocator, &self.parts].into_iter();
            bodies.any(|body| body.contains(&format!("${name} ")) || body.contains(&format!("${name})")))
        };
        for def in functions_of(self.version).filter(|def| called(def.name)) {
            let module = match def.namespace {
                Namespace::Env => "env",
                Namespace::Wasi => "wasi_snapshot_preview1",
            };
            let (name, ty) = (def.name, func_type(def.signature));
            writeln!(wat, "(import \"{module}\" \"{name}\" (func ${name} {ty}))").ok();
        }
        let data: String = self.data.iter().map(|byte| format!("\\{byte:02x}")).collect();
        write!(
            wat,
            r#"(memory (export "memory") {memory})
            (global $heap (mut i32) (i32.const {heap}))
            (data (i32.const {DATA}) "{data}")
            (func (export "{marker}"))
            (func $alloc (export "proxy_on_memory_allocate") (param $size i32) (result i32) {allocator})
            {REPORTS}
            {parts})"#,
            memory = self.memory,
            heap = (DATA + self.data.len()).next_multiple_of(4096),
            marker = self.version.marker(),
            allocator = self.allocator,
            parts = self.parts,
        )
        .ok();
        wat
    }
}

/// An allocator that never frees.
pub(super) const BUMP: &str =
    "(global.get $heap) (global.set $heap (i32.add (global.get $heap) (local.get $size)))";

const REPORTS: &str = r#"
    (func $log (param $at i32) (param $len i32)
        (drop (call $proxy_log (i32.const 0) (local.get $at) (local.get $len))))
    (func $out (call $log (i32.load (i32.const 8)) (i32.load (i32.const 12))))
    (func $n (param $value i32) (local $at i32)
        (local.set $at (i32.const 64))
        (loop $again
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (i32.store8 (local.get $at)
                (i32.add (i32.const 48) (i32.rem_u (local.get $value) (i32.const 10))))
            (local.set $value (i32.div_u (local.get $value) (i32.const 10)))
            (br_if $again (local.get $value)))
        (call $log (local.get $at) (i32.sub (i32.const 64) (local.get $at))))"#;

/// A call of a host function with constants.
pub(super) fn call(function: &str, args: &[u32]) -> String {
    let found = lookup("env", function).or_else(|| lookup("wasi_unstable", function));
    let def = found.unwrap_or_else(|| panic!("there is no {function}"));
    assert_eq!(def.params.len(), args.len(), "{function}");
    let args: String = std::iter::zip(def.signature.params, args)
        .map(|(ty, arg)| format!(" ({}.const {arg})", val_type(*ty)))
        .collect();
    format!("(call ${function}{args})")
}

/// A call of a host function that reports its result.
pub(super) fn status(function: &str, args: &[u32]) -> String {
    format!("(call $n {})", call(function, args))
}

/// Reports the number at an address.
pub(super) fn load(at: u32) -> String {
    format!("(call $n (i32.load (i32.const {at})))")
}

/// Reports a number.
pub(super) fn say(number: u32) -> String {
    format!("(call $n (i32.const {number}))")
}
