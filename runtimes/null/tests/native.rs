//! Plugins that are Rust types.

mod common;

use std::cell::Cell;
use std::time::Duration;

use common::{Ex, Vm, load};
use enginebay_engine::{ErrorKind, TrapKind};
use enginebay_runtime_null::native::{Action, Buffer, HostCalls, LogLevel, Map, NativePlugin, Status};
use enginebay_runtime_null::native_plugin;

thread_local! {
    static DROPPED: Cell<u32> = const { Cell::new(0) };
}

#[derive(Default)]
struct Counter {
    streams: u32,
}

impl Drop for Counter {
    fn drop(&mut self) {
        DROPPED.set(DROPPED.get() + 1);
    }
}

impl NativePlugin for Counter {
    fn on_context_create(&mut self, _: &HostCalls<'_>, _: u32, parent: u32) {
        self.streams += u32::from(parent != 0);
    }

    fn on_configure(&mut self, host: &HostCalls<'_>, _: u32, size: usize) -> bool {
        host.buffer(Buffer::PluginConfiguration, 0, size).unwrap() == b"good"
    }

    fn on_request_headers(&mut self, host: &HostCalls<'_>, _: u32, what: usize, end: bool) -> Action {
        match what {
            1 => panic!("no {what}"),
            2 => {
                host.log(LogLevel::Info, "panic in the host").unwrap_err();
                let status = host.log(LogLevel::Info, "after it").unwrap_err();
                assert_eq!(status, Status::INTERNAL_FAILURE);
            }
            3 => drop(host.log(LogLevel::Info, "recurse")),
            4 => assert_eq!(host.log_level(), Err(Status::UNIMPLEMENTED)),
            5 => assert!(std::panic::catch_unwind(|| panic!("not for anybody")).is_err()),
            _ => {
                let count = self.streams.to_string();
                host.add_header(Map::RequestHeaders, b"x-streams", count.as_bytes())
                    .unwrap();
                assert_eq!(
                    host.header(Map::RequestHeaders, b"x-streams"),
                    Ok(Some(count.into_bytes()))
                );
                assert_eq!(host.header(Map::RequestHeaders, b"x-nothing"), Ok(None));
                let all = host.headers(Map::RequestHeaders).unwrap();
                host.log(LogLevel::Debug, &format!("{} headers", all.len()))
                    .unwrap();
                host.increment_metric(3, -2).unwrap();
                host.set_tick_period(Duration::from_millis(250)).unwrap();
            }
        }
        if end { Action::Pause } else { Action::Continue }
    }

    fn on_tick(&mut self, _: &HostCalls<'_>, _: u32) {}

    fn on_done(&mut self, _: &HostCalls<'_>, _: u32) -> bool {
        false
    }
}

struct NeverThere;

impl NativePlugin for NeverThere {}

native_plugin!("counter", Counter::default);
native_plugin!("never", || -> NeverThere { panic!("not to be had") });
native_plugin!("twice", || NeverThere);
native_plugin!("twice", || NeverThere);

#[test]
fn a_type_is_a_plugin() {
    let module = load("counter").unwrap();
    assert!(!module.shares_thread_state());
    let mut vm = Vm::of(&*module);
    let mut other = Vm::of(&*module);
    vm.call(Ex::Create, &[1, 0]).unwrap();
    vm.host.0.borrow_mut().body = b"good".to_vec();
    assert_eq!(vm.call(Ex::VmStart, &[1, 0]).unwrap(), 1);
    assert_eq!(vm.call(Ex::Configure, &[1, 4]).unwrap(), 1);
    assert_eq!(vm.call(Ex::Configure, &[1, 3]).unwrap(), 0);
    for id in 2..5 {
        vm.call(Ex::Create, &[id, 1]).unwrap();
    }
    assert_eq!(vm.call(Ex::RequestHeaders, &[2, 0, 1]).unwrap(), 1);
    assert_eq!(vm.headers(), [("x-streams".to_owned(), "3".to_owned())]);
    assert_eq!(vm.logs(), [(1, "1 headers".to_owned())]);
    assert_eq!(vm.host.0.borrow().metrics, [-2]);
    assert_eq!(vm.host.0.borrow().ticks, [250]);
    assert_eq!(vm.call(Ex::Done, &[2]).unwrap(), 0);
    // Each VM has its own.
    assert_eq!(other.call(Ex::RequestHeaders, &[2, 0, 0]).unwrap(), 0);
    assert_eq!(other.headers(), [("x-streams".to_owned(), "0".to_owned())]);
}

#[test]
fn what_is_not_written_has_a_default() {
    let mut vm = Vm::new("counter");
    assert_eq!(vm.call(Ex::RequestBody, &[2, 0, 0]).unwrap(), 0);
    assert_eq!(vm.call(Ex::VmStart, &[1, 0]).unwrap(), 1);
    vm.call(Ex::Log, &[2]).unwrap();
    assert!(vm.call(Ex::Initialize, &[]).is_err());
    assert_eq!(vm.call(Ex::RequestHeaders, &[2, 4, 0]).unwrap(), 0);
}

#[test]
fn a_panic_is_a_trap() {
    let mut vm = Vm::new("counter");
    DROPPED.set(0);
    for _ in 0..100 {
        let trap = vm.call(Ex::RequestHeaders, &[2, 1, 0]).unwrap_err();
        assert_eq!(trap.kind(), TrapKind::Unreachable);
        assert!(trap.message().ends_with(": no 1"), "{trap}");
        assert!(!std::thread::panicking());
        let logs = vm.logs();
        assert_eq!((logs.len(), logs[0].0), (1, 5));
    }
    assert_eq!(vm.call(Ex::RequestHeaders, &[2, 5, 0]).unwrap(), 0);
    drop(vm);
    assert_eq!(DROPPED.get(), 1);
}

#[test]
fn a_host_panic_is_the_hosts() {
    let mut vm = Vm::new("counter");
    let trap = vm.call(Ex::RequestHeaders, &[2, 2, 0]).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::HostError);
    assert_eq!(trap.message(), "a host function panicked: the host panics");
}

#[test]
fn a_plugin_that_waits_is_not_called() {
    let mut vm = Vm::new("counter");
    let trap = vm.call(Ex::RequestHeaders, &[2, 3, 0]).unwrap_err();
    assert!(trap.message().contains("waits for a host function"), "{trap}");
}

#[test]
fn a_constructor_may_panic() {
    let host = common::FakeHost::default();
    let error = load("never")
        .unwrap()
        .instantiate(std::rc::Rc::new(host))
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Instantiate);
    assert!(error.to_string().contains("not to be had"), "{error}");
}

#[test]
fn a_name_is_for_one_plugin() {
    let error = load("twice").map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModule);
    assert!(
        error.to_string().contains("two native plugins are called twice"),
        "{error}"
    );
}
