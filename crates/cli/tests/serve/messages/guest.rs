//! Guests in a few lines of text: they say what they were answered in log messages.

use std::fmt::Write;
use std::fs;

use tempfile::TempDir;

use crate::config::Plugin;

/// What every guest has: host functions, an allocator, `$say` for a text, and `$status` for a number below 100, as
/// `status NN`. `$at` and `$size` are what a host function gave last through the addresses 8 and 12.
const COMMON: &str = r#"
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_header_map_value" (func $header (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_remove_header_map_value" (func $remove (param i32 i32 i32) (result i32)))
    (import "env" "proxy_send_local_response"
        (func $answer (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_http_call"
        (func $http_call (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_metric" (func $metric (param i32 i32) (result i32)))
    (import "env" "proxy_set_tick_period_milliseconds" (func $tick (param i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
    (memory (export "memory") 4)
    (global $heap (mut i32) (i32.const 65536))
    (data (i32.const 32) "status NN")
    (func (export "malloc") (param i32) (result i32)
        (global.get $heap)
        (global.set $heap (i32.add (global.get $heap) (local.get 0))))
    (func $say (param i32 i32) (drop (call $log (i32.const 2) (local.get 0) (local.get 1))))
    (func $at (result i32) (i32.load (i32.const 8)))
    (func $size (result i32) (i32.load (i32.const 12)))
    (func $status (param i32)
        (i32.store8 (i32.const 39) (i32.add (i32.const 48) (i32.div_u (local.get 0) (i32.const 10))))
        (i32.store8 (i32.const 40) (i32.add (i32.const 48) (i32.rem_u (local.get 0) (i32.const 10))))
        (call $say (i32.const 32) (i32.const 9)))"#;

/// The guests of a test.
pub(super) struct Guests(TempDir);

impl Guests {
    pub(super) fn new() -> Self {
        Guests(tempfile::tempdir().unwrap())
    }

    /// A plugin with these functions, of this version of the ABI. A text in double braces is its address and its length;
    /// in it `\0` is a byte that is zero.
    pub(super) fn of_abi(
        &self,
        abi: &str,
        runtime: &'static str,
        name: &'static str,
        functions: &str,
    ) -> Plugin {
        let mut code = format!("(module {COMMON} (func (export \"proxy_abi_version_{abi}\"))\n");
        let mut data = String::new();
        let mut at = 1024;
        let mut parts = functions.split("{{");
        code += parts.next().unwrap();
        for part in parts {
            let (text, rest) = part.split_once("}}").unwrap();
            let bytes = text.replace("\\0", "\0").into_bytes();
            write!(code, "(i32.const {at}) (i32.const {}){rest}", bytes.len()).unwrap();
            let escaped: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
            write!(data, "\n(data (i32.const {at}) \"{escaped}\")").unwrap();
            at += bytes.len();
        }
        let file = self.0.path().join(format!("{name}.wasm"));
        fs::write(&file, wat::parse_str(format!("{code}{data})")).unwrap()).unwrap();
        Plugin {
            file,
            ..Plugin::new(runtime, name)
        }
    }

    /// Likewise, of the newest version.
    pub(super) fn plugin(&self, runtime: &'static str, name: &'static str, functions: &str) -> Plugin {
        self.of_abi("0_2_1", runtime, name, functions)
    }
}

/// A list of headers as plugins pass them, for a text in double braces.
pub(super) fn pairs(headers: &[(&str, &str)]) -> String {
    let number = |n: usize| format!("{}\\0\\0\\0", char::from(u8::try_from(n).unwrap()));
    let mut text = number(headers.len());
    for (name, value) in headers {
        text += &number(name.len());
        text += &number(value.len());
    }
    for (name, value) in headers {
        write!(text, "{name}\\0{value}\\0").unwrap();
    }
    text
}
