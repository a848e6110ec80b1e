//! Configured capabilities, on every runtime that is linked in.

use std::cell::RefCell;
use std::rc::Rc;

use enginebay::abi::LogLevel;
use enginebay::config::model::{self, Capabilities, Code};
use enginebay::{Engines, LogRecord, Platform, Plugin, Running};

#[derive(Default)]
struct Log(RefCell<Vec<String>>);

impl Platform for Log {
    fn log_level(&self) -> LogLevel {
        LogLevel::Trace
    }

    fn log(&self, record: &LogRecord<'_>) {
        self.0.borrow_mut().push(record.message.to_owned());
    }

    fn realtime_ns(&self) -> u64 {
        1
    }

    fn monotonic_ns(&self) -> u64 {
        1
    }

    fn random(&self, _: &mut [u8]) -> bool {
        false
    }
}

/// Configured: no. On a request: asks for the time, ends nothing, logs the statuses of both. On a response: traps.
const MODULE: &str = r#"(module
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_current_time_nanoseconds" (func $time (param i32) (result i32)))
    (import "env" "proxy_done" (func $done (result i32)))
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 0))
    (func $say (param $status i32)
        (i32.store8 (i32.const 0) (i32.add (i32.const 97) (local.get $status)))
        (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1))))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 0))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say (call $time (i32.const 8)))
        (call $say (call $done))
        (i32.const 0))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32) unreachable))"#;

#[cfg(feature = "null")]
mod native {
    use enginebay::null::native::{Action, HostCalls, LogLevel, NativePlugin};

    /// What the module is, as a type.
    struct Type;

    fn say<T>(host: &HostCalls<'_>, result: Result<T, enginebay::null::native::Status>) {
        // As the module does: the letter of the status.
        let letter = match result {
            Ok(_) => "a",
            Err(status) if status.0 == 1 => "b",
            Err(status) if status.0 == 10 => "k",
            Err(_) => "?",
        };
        let _ = host.log(LogLevel::Info, letter);
    }

    impl NativePlugin for Type {
        fn on_configure(&mut self, _: &HostCalls<'_>, _: u32, _: usize) -> bool {
            false
        }

        fn on_request_headers(&mut self, host: &HostCalls<'_>, _: u32, _: usize, _: bool) -> Action {
            say(host, host.current_time());
            say(host, host.done());
            Action::Continue
        }

        fn on_response_headers(&mut self, _: &HostCalls<'_>, _: u32, _: usize, _: bool) -> Action {
            panic!("not to be called")
        }
    }

    enginebay::null::native_plugin!("restricted", || Type);
}

fn config(runtime: &str, native: bool, allowed: Capabilities) -> model::Plugin {
    let code = match native {
        true => Code::InlineString("restricted".to_owned()),
        false => Code::InlineBytes(wat::parse_str(MODULE).unwrap()),
    };
    let mut config = model::Plugin::new(runtime, code);
    config.capabilities = allowed;
    config
}

fn only(names: &[&str]) -> Capabilities {
    Capabilities::Only(names.iter().map(|name| (*name).to_owned()).collect())
}

/// What a request and a response make the plugin log.
fn run(engines: &Engines, config: &model::Plugin) -> Vec<String> {
    let log = Rc::<Log>::default();
    let Running { vm, root } = Plugin::load(engines, config)
        .unwrap()
        .start::<()>(log.clone())
        .unwrap();
    let id = vm.create_stream(root, ()).unwrap();
    vm.on_request_headers(id, 0, true).unwrap();
    vm.on_response_headers(id, 0, true).unwrap();
    vm.finish(id).unwrap();
    log.0.take()
}

#[test]
fn what_is_denied_on_each_runtime() {
    let engines = Engines::new().unwrap();
    for runtime in engines.registry().iter() {
        let plugin = |allowed| config(runtime.name, !runtime.capabilities.sandbox, allowed);
        // Neither the refusal nor the trap is asked for.
        let denied = [
            "Attempted call to restricted proxy-wasm capability: proxy_get_current_time_nanoseconds",
            "k",
            "Attempted call to restricted proxy-wasm capability: proxy_done",
            "k",
        ];
        let allowed = only(&["proxy_log", "proxy_on_request_headers"]);
        assert_eq!(run(&engines, &plugin(allowed)), denied, "{}", runtime.name);
        let allowed = only(&[
            "proxy_log",
            "proxy_on_request_headers",
            "proxy_done",
            "proxy_get_current_time_nanoseconds",
            "nosuch",
        ]);
        assert_eq!(run(&engines, &plugin(allowed)), ["a", "b"], "{}", runtime.name);
        // Nothing at all is what an intersection may leave.
        assert!(run(&engines, &plugin(only(&[]))).is_empty());
        let failure = Plugin::load(&engines, &plugin(Capabilities::All))
            .unwrap()
            .start::<()>(Rc::<Log>::default())
            .err()
            .unwrap();
        assert!(
            failure
                .to_string()
                .contains("Failed to configure base Wasm plugin")
        );
    }
}

#[test]
fn plugins_share_a_vm_only_if_they_may_do_the_same() {
    let engines = Engines::new().unwrap();
    for runtime in engines.registry().iter() {
        let load = |allowed| {
            Plugin::load(
                &engines,
                &config(runtime.name, !runtime.capabilities.sandbox, allowed),
            )
            .unwrap()
        };
        let [all, some, same, other] = [
            load(Capabilities::All),
            load(only(&["proxy_log", "proxy_done"])),
            load(only(&["proxy_done", "proxy_log"])),
            load(only(&["proxy_log"])),
        ];
        assert_eq!(some.vm_key(), same.vm_key());
        assert_ne!(some.vm_key(), other.vm_key());
        assert_ne!(some.vm_key(), all.vm_key());
    }
}
