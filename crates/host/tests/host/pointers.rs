//! Every address and size of every host function, out of the guest's memory: always a status.

use enginebay_host::abi::functions::functions_of;
use enginebay_host::abi::{AbiVersion, FunctionDef, Namespace, Param};

use crate::fixture::{Guest, Run, Stream, on_each, status};

/// Arguments with which a function does what it is for.
fn valid(guest: &mut Guest, def: &FunctionDef) -> Vec<u32> {
    let mut args: Vec<u32> = Vec::new();
    for (name, param) in std::iter::zip(def.param_names, def.params) {
        args.push(match (*name, param) {
            ("fd", _) => 1,
            ("log_level", _) => 2,
            ("queue_id", _) => QUEUE,
            ("metric_id", _) => METRIC,
            ("key_data", _) | ("name_data", _) => guest.put("accept")[0],
            ("key_size", _) | ("name_size", _) => 6,
            ("path_data", _) if def.namespace == Namespace::Env => guest.put("plugin_name")[0],
            ("path_size", _) if def.namespace == Namespace::Env => 11,
            // Headers: none.
            (name, Param::Ptr) if name.starts_with("serialized") => guest.put([0; 4])[0],
            (name, Param::Size) if name.starts_with("serialized") => 4,
            // One piece of writing.
            ("iovs", _) => {
                let [text, len] = guest.put("text");
                guest.put([text.to_le_bytes(), len.to_le_bytes()].concat())[0]
            }
            ("iovs_len", _) => 1,
            (_, Param::Ptr) => guest.put([0; 64])[0],
            (_, Param::Size) => 4,
            _ => 0,
        });
    }
    args
}

/// What a function answers when this parameter names memory that is not there.
fn expected(def: &FunctionDef, param: &str) -> u32 {
    match (def.name, param) {
        // These are no sizes of memory, but parts beyond the end.
        ("proxy_get_buffer_bytes", "start" | "max_size") | ("proxy_set_buffer_bytes", "start" | "size") => 0,
        (_, _) if def.namespace == Namespace::Env => 6,
        // More than it takes, before it looks at the memory.
        ("fd_write" | "fd_pwrite", "iovs_len") | ("random_get", "buffer_size") => 28,
        ("poll_oneoff", "return_count") => 21,
        ("args_get" | "fd_seek" | "poll_oneoff", _) => 0,
        ("fd_read" | "fd_pread" | "fd_prestat_dir_name", _) => 52,
        ("fd_write" | "fd_pwrite" | "fd_tell" | "fd_fdstat_get", _) => 21,
        ("random_get" | "args_sizes_get", _) => 21,
        (name, _) if name.starts_with("clock_") || name.starts_with("environ_") => 21,
        ("fd_readdir", _) => 54,
        ("path_open", _) => 44,
        (name, _) if name.starts_with("path_") || name.starts_with("sock_") => 58,
        _ => 8,
    }
}

/// What must be there for a function to look at its addresses: a key, a queue with an item, and a metric.
fn prepare(guest: &mut Guest) -> String {
    let [name, size] = guest.put("accept");
    let number = guest.put([0; 4])[0];
    [
        status("proxy_set_shared_data", &[name, size, name, size, 0]),
        status("proxy_register_shared_queue", &[name, size, number]),
        status("proxy_enqueue_shared_queue", &[QUEUE, name, size]),
        status("proxy_define_metric", &[0, name, size, number]),
    ]
    .concat()
}

const PREPARATIONS: usize = 4;
/// The first ones that there are.
const QUEUE: u32 = 1;
const METRIC: u32 = 4;

fn check(version: AbiVersion, wasi: &'static str) {
    on_each(|bay| {
        bay.vm_config.environment = vec![("KEY".to_owned(), "value".to_owned())];
        let mut guest = Guest::of(version);
        guest.wasi = wasi;
        let end = guest.memory();
        let mut steps = prepare(&mut guest);
        let mut cases = Vec::new();
        for def in functions_of(version).filter(|def| def.result.is_some()) {
            let valid = valid(&mut guest, def);
            for (at, param) in def.params.iter().enumerate() {
                // One byte before the end is there, and is too few for any of them.
                let bad = match param {
                    Param::Ptr => &[u32::MAX, u32::MAX - 3, 1 << 31, end + 1, end - 1][..],
                    Param::Size => &[u32::MAX, u32::MAX - 3, 1 << 31, end + 1],
                    _ => continue,
                };
                for value in bad {
                    let mut args = valid.clone();
                    args[at] = *value;
                    steps += &status(def.name, &args);
                    let param = def.param_names[at];
                    cases.push((def.name, param, *value, expected(def, param)));
                }
            }
        }
        assert!(cases.len() > 300);
        let Run { vm, id, result } = bay.run(&guest.on_request(&[steps]), Stream::plain());
        result.unwrap();
        let mut reports = bay.platform.reports();
        let prepared: Vec<_> = reports.drain(..PREPARATIONS).collect();
        assert_eq!(prepared, ["0"; PREPARATIONS]);
        assert_eq!(reports.len(), cases.len());
        for ((name, param, value, status), report) in std::iter::zip(&cases, &reports) {
            assert_eq!(report, &status.to_string(), "{name}: {param} = {value:#x}");
        }
        // Nothing came of any of them but the four bytes that were put into the body.
        let stream = vm.stream(id).unwrap();
        assert_eq!(stream.request_headers().len(), 4);
        assert!(!stream.maps[&0].is_modified());
        assert!(stream.local.is_empty() && stream.properties.is_empty());
    });
}

#[test]
fn abi_0_2_1() {
    check(AbiVersion::V0_2_1, "wasi_snapshot_preview1");
}

#[test]
fn abi_0_1_0() {
    check(AbiVersion::V0_1_0, "wasi_unstable");
}

#[test]
fn a_guest_without_memory() {
    on_each(|bay| {
        let wat = r#"(module
            (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 1))
            (func (export "proxy_on_configure") (param i32 i32) (result i32)
                (if (i32.ne (call $log (i32.const 2) (i32.const 0) (i32.const 1)) (i32.const 6))
                    (then unreachable))
                (call $get (i32.const 7) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 4))
                (i32.eq (i32.const 6))))"#;
        let program = bay.load(wat).unwrap();
        let vm = enginebay_host::Vm::<()>::new(&program, &std::sync::Arc::default(), bay.platform.clone());
        vm.unwrap().start_plugin(bay.plugin.clone()).unwrap();
    });
}
