//! Plugins written with the SDK, linked in.

mod common;
#[path = "common/plugins/mod.rs"]
mod plugins;

use common::{Ex, Vm, engine, load};
use enginebay_engine::{ErrorKind, ExternKind};

#[test]
fn a_plugin_runs() {
    let mut vm = Vm::started("adder", 1);
    vm.host.0.borrow_mut().body = b"a value".to_vec();
    assert_eq!(vm.call(Ex::VmStart, &[1, 0]).unwrap(), 1);
    assert_eq!(vm.call(Ex::Configure, &[1, 7]).unwrap(), 1);
    vm.call(Ex::Create, &[2, 1]).unwrap();
    assert_eq!(vm.call(Ex::RequestHeaders, &[2, 1, 1]).unwrap(), 1);
    assert_eq!(vm.headers(), [("x-adder".to_owned(), "a value".to_owned())]);
    let logs: Vec<_> = vm
        .logs()
        .into_iter()
        .map(|(level, text)| format!("{level} {text}"))
        .collect();
    assert_eq!(logs, ["2 configured: a value", "2 1 headers, Some(\"a value\")"]);
    assert_eq!(vm.call(Ex::Done, &[2]).unwrap(), 1);
    vm.call(Ex::Log, &[2]).unwrap();
    vm.call(Ex::Delete, &[2]).unwrap();
    vm.host.0.borrow_mut().body = b"refuse".to_vec();
    assert_eq!(vm.call(Ex::Configure, &[1, 6]).unwrap(), 0);
}

#[test]
fn several_plugins_share_a_thread() {
    let mut adder = Vm::started("adder", 1);
    let mut second = Vm::started("second", 2);
    // The SDK's constructor is that of "second" now.
    let mut other_adder = Vm::of(&*load("adder").unwrap());
    second.call(Ex::Create, &[3, 2]).unwrap();
    other_adder.call(Ex::Create, &[4, 0]).unwrap();
    let mut other_second = Vm::uninitialised(&*load("second").unwrap());
    other_second.call(Ex::Create, &[5, 0]).unwrap();
    for (vm, root, stream) in [
        (&mut adder, 1, 11),
        (&mut other_adder, 4, 12),
        (&mut other_second, 5, 13),
    ] {
        vm.call(Ex::Create, &[stream, root]).unwrap();
    }
    for _ in 0..3 {
        adder.call(Ex::RequestHeaders, &[11, 0, 0]).unwrap();
        second.call(Ex::RequestHeaders, &[3, 0, 0]).unwrap();
        other_adder.call(Ex::RequestHeaders, &[12, 0, 0]).unwrap();
        other_second.call(Ex::RequestHeaders, &[13, 0, 0]).unwrap();
    }
    let names = |vm: &Vm| {
        vm.headers()
            .into_iter()
            .map(|(name, value)| name + &value)
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&adder), ["x-adder"; 3]);
    assert_eq!(names(&other_adder), ["x-adder"; 3]);
    assert_eq!(names(&second), ["x-second3"; 3]);
    assert_eq!(names(&other_second), ["x-second13"; 3]);
}

#[test]
fn a_plugin_says_what_it_exports() {
    assert!(engine().native());
    let info = engine().inspect(b"adder").unwrap();
    let kind = |name: &str| info.export(name).map(|export| export.kind.to_string());
    assert_eq!(
        kind("proxy_on_request_headers").as_deref(),
        Some("function (i32, i32, i32) -> i32")
    );
    assert_eq!(kind("proxy_abi_version_0_2_1").as_deref(), Some("function ()"));
    assert_eq!(kind("_initialize").as_deref(), Some("function ()"));
    assert_eq!(kind("proxy_on_request_metadata"), None);
    assert_eq!(kind("malloc"), None);
    assert!(info.imports.is_empty());
    assert!(
        info.exports
            .iter()
            .all(|export| matches!(export.kind, ExternKind::Function(_)))
    );
    let module = load("adder").unwrap();
    assert!(module.shares_thread_state());
    assert_eq!(Vm::of(&*module).instance.memory_size(), 0);
    let mut vm = Vm::of(&*module);
    let missing = vm.call(Ex::Unknown, &[]).unwrap_err();
    assert_eq!(missing.message(), "the module has no export proxy_on_nothing");
    let wrong = vm.call(Ex::Tick, &[1, 2]).unwrap_err();
    assert!(wrong.message().contains("2 arguments"), "{wrong}");
}

#[test]
fn an_unknown_name_is_an_error_that_lists_the_known_ones() {
    let error = load("nobody").map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModule);
    let text = error.to_string();
    assert!(
        text.starts_with(
            "no native plugin is called nobody; there are: adder, bad_c_start, bad_start, crasher, "
        ),
        "{text}"
    );
    let error = engine().inspect(b"\0asm\x01\0\0\0\xff").unwrap_err();
    assert!(error.to_string().contains("another runtime"), "{error}");
}

#[test]
fn plugins_are_registered_once() {
    let plugin = enginebay_runtime_null::sdk!("registered", plugins::second::start);
    enginebay_runtime_null::register(plugin).unwrap();
    let error = enginebay_runtime_null::register(plugin).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("two native plugins are called registered")
    );
    let mut vm = Vm::started("registered", 1);
    vm.call(Ex::Create, &[9, 1]).unwrap();
    vm.call(Ex::RequestHeaders, &[9, 0, 0]).unwrap();
    assert_eq!(vm.headers(), [("x-second".to_owned(), "9".to_owned())]);
}

#[test]
fn a_status_that_the_sdk_does_not_know_becomes_one_it_does() {
    let mut vm = Vm::started("crasher", 1);
    vm.call(Ex::Create, &[2, 1]).unwrap();
    let trap = vm.call(Ex::RequestHeaders, &[2, 10, 0]).unwrap_err();
    assert!(trap.message().ends_with("unexpected status: 10"), "{trap}");
}

#[test]
fn what_calls_the_host_without_a_plugin_gets_an_answer() {
    let mut vm = Vm::started("adder", 1);
    vm.call(Ex::VmStart, &[1, 0]).unwrap();
    // The SDK is the logger of the process now.
    log::error!("nobody hears this");
    std::thread::spawn(|| log::error!("nor this")).join().unwrap();
    assert!(vm.logs().is_empty());
    let refused = std::panic::catch_unwind(proxy_wasm::hostcalls::get_current_time);
    assert!(refused.is_err());
}
