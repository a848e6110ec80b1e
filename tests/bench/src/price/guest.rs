//! The guest, in WebAssembly text: callbacks that do nothing, and `proxy_on_request_trailers`, which calls a row's functions as
//! often as there are trailers.

use std::fmt::Write as _;

use super::callbacks::CALLBACKS;
use super::functions::functions;
use super::rows::{Arg, Call, HEAP, MEMORY, NUMBER, Row};

/// Where a function is, and its parameters.
struct Import {
    module: &'static str,
    name: &'static str,
    params: &'static [&'static str],
}

macro_rules! imports {
    ($($module:literal $name:ident($($arg:ident: $kind:ident),*) |$side:ident| $body:expr;)*) => {
        const IMPORTS: &[Import] = &[$(Import {
            module: $module,
            name: stringify!($name),
            params: &[$(stringify!($kind)),*],
        }),*];
    };
}

functions!(imports!);

fn call(text: &mut String, call: &Call) {
    for arg in call.args {
        let _ = match arg {
            Arg::Number(number) | Arg::Place(number) => write!(text, " i32.const {number}"),
            Arg::Context => write!(text, " local.get $context"),
            Arg::Long(number) => write!(text, " i64.const {number}"),
            Arg::Loaded => write!(text, " i32.const {NUMBER} i32.load"),
        };
    }
    // Any other status would be another function's price.
    let _ = writeln!(
        text,
        " call ${} i32.const {} i32.ne if unreachable end",
        call.name, call.status
    );
}

/// The module for a row.
///
/// # Panics
/// When the row has a function that is not in the list.
pub(crate) fn module(row: &Row) -> Vec<u8> {
    let mut text = String::from("(module\n");
    let used: Vec<&str> = row.setup.iter().chain(row.calls).map(|call| call.name).collect();
    for import in IMPORTS.iter().filter(|import| used.contains(&import.name)) {
        let Import { module, name, params } = import;
        let params: Vec<&str> = params
            .iter()
            .map(|kind| if *kind == "u64" { "i64" } else { "i32" })
            .collect();
        let _ = writeln!(
            text,
            "(import \"{module}\" \"{name}\" (func ${name} (param {}) (result i32)))",
            params.join(" ")
        );
    }
    text.push_str("(memory (export \"memory\") 2)\n(func (export \"proxy_abi_version_0_2_1\"))\n");
    let _ = writeln!(
        text,
        "(func (export \"proxy_on_memory_allocate\") (param i32) (result i32) i32.const {HEAP})"
    );
    for (place, bytes) in MEMORY {
        let bytes: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        let _ = writeln!(text, "(data (i32.const {place}) \"{bytes}\")");
    }
    for callback in CALLBACKS {
        let (head, body) = callback.shape.text();
        let _ = writeln!(text, "(func (export \"{}\") {head} {body})", callback.name);
    }
    text.push_str(
        "(func (export \"proxy_on_request_trailers\") (param $context i32) (param $n i32) (result i32)\n",
    );
    for one in row.setup {
        call(&mut text, one);
    }
    text.push_str("loop $again\n");
    for one in row.calls {
        call(&mut text, one);
    }
    text.push_str("local.get $n i32.const 1 i32.sub local.tee $n br_if $again end i32.const 0))");
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{}: {error}\n{text}", row.id()))
}
