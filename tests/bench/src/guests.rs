//! The guests.

use std::borrow::Cow;

use enginebay::engine::Engine;

pub use crate::messages::{BODY, REQUEST, RESPONSE};

/// How often [`CALLS`] calls the host in one callback, so that the callback itself does not count.
pub const REPEAT: u32 = 1000;

/// A plugin in WebAssembly text: `proxy_on_log` does nothing; `proxy_on_request_trailers` calls a host function
/// that moves no bytes as often as it has trailers; `proxy_on_response_trailers` likewise one that is given two
/// pieces of 64 bytes.
///
/// On native code it is the plugin `calls`, C functions that do the same.
pub const CALLS: &str = r#"(module
    (import "env" "proxy_set_effective_context" (func $nothing (param i32) (result i32)))
    (import "env" "proxy_set_property" (func $copy (param i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
    (func (export "proxy_on_log") (param i32))
    (func (export "proxy_on_request_trailers") (param $context i32) (param $n i32) (result i32)
        loop $again
            local.get $context
            call $nothing
            drop
            local.get $n
            i32.const 1
            i32.sub
            local.tee $n
            br_if $again
        end
        i32.const 0)
    (func (export "proxy_on_response_trailers") (param $context i32) (param $n i32) (result i32)
        loop $again
            i32.const 0
            i32.const 64
            i32.const 64
            i32.const 64
            call $copy
            drop
            local.get $n
            i32.const 1
            i32.sub
            local.tee $n
            br_if $again
        end
        i32.const 0))"#;

/// [`CALLS`] as a binary.
///
/// # Panics
/// Never: the text is a constant.
pub fn calls() -> Vec<u8> {
    wat::parse_str(CALLS).expect("the text above is valid")
}

/// What this engine loads for [`CALLS`].
pub fn calls_for(engine: &dyn Engine) -> Vec<u8> {
    if engine.native() {
        b"calls".to_vec()
    } else {
        calls()
    }
}

/// A plugin built with the Rust SDK: as a module, and from the same source as a native plugin.
#[derive(Clone, Copy)]
pub struct Guest {
    /// Its name, also that of the native plugin.
    pub name: &'static str,
    /// The module.
    pub module: &'static [u8],
}

impl Guest {
    /// What this engine loads.
    pub fn code(&self, engine: &dyn Engine) -> Cow<'static, [u8]> {
        Cow::Borrowed(if engine.native() {
            self.name.as_bytes()
        } else {
            self.module
        })
    }
}

/// Does nothing.
pub const NOOP: Guest = Guest {
    name: "noop",
    module: include_bytes!("../../guests/wasm/noop.wasm"),
};

/// Reads all request headers, looks one up, adds two, and adds one response header.
pub const HEADER_FILTER: Guest = Guest {
    name: "header_filter",
    module: include_bytes!("../../guests/wasm/header_filter.wasm"),
};

/// Buffers a body and replaces it.
pub const BODY_REWRITE: Guest = Guest {
    name: "body_rewrite",
    module: include_bytes!("../../guests/wasm/body_rewrite.wasm"),
};

/// A filter that leaves as many headers as it finds: it reads all request headers, looks one up, and replaces one in the
/// request and one in the response. What a chain of such filters costs grows with their number alone.
///
/// # Panics
/// Never: the text is a constant.
pub fn replace_header() -> Vec<u8> {
    let text = r#"(module
        (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
        (import "env" "proxy_get_header_map_value" (func $value (param i32 i32 i32 i32 i32) (result i32)))
        (import "env" "proxy_replace_header_map_value" (func $replace (param i32 i32 i32 i32 i32) (result i32)))
        (memory (export "memory") 1)
        (data (i32.const 64) "user-agentx-client")
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
        (func $set (param $map i32)
            local.get $map i32.const 74 i32.const 8 i32.const 64 i32.const 4 call $replace
            if unreachable end)
        (func (export "proxy_on_context_create") (param i32 i32))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            i32.const 0 i32.const 16 i32.const 20 call $pairs if unreachable end
            i32.const 0 i32.const 64 i32.const 10 i32.const 16 i32.const 20 call $value if unreachable end
            i32.const 0 call $set
            i32.const 0)
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            i32.const 2 call $set
            i32.const 0))"#;
    wat::parse_str(text).expect("the text above is valid")
}

/// What is done to a stream.
#[derive(Clone, Copy)]
pub struct Workload {
    /// The plugin.
    pub guest: Guest,
    /// Bytes of the request's body. The hosts that are written by hand have those of [`BODY`].
    pub body: usize,
    /// How many headers come out, of [`REQUEST`] and [`RESPONSE`] together.
    pub headers: usize,
}

const HEADERS: usize = REQUEST.len() + RESPONSE.len();

/// The streams that are measured.
pub const WORKLOADS: [Workload; 3] = [
    Workload {
        guest: NOOP,
        body: 0,
        headers: HEADERS,
    },
    // Two more in the request, one more in the response.
    Workload {
        guest: HEADER_FILTER,
        body: 0,
        headers: HEADERS + 3,
    },
    // Without the response's length.
    Workload {
        guest: BODY_REWRITE,
        body: BODY.len(),
        headers: HEADERS - 1,
    },
];
