//! A program with a logger of its own. One test: the logger is the process's.

mod common;
#[path = "common/plugins/mod.rs"]
mod plugins;

use common::{Ex, Vm, load};
use enginebay_engine::TrapKind;

struct Silent;

impl log::Log for Silent {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        false
    }

    fn log(&self, _: &log::Record<'_>) {}

    fn flush(&self) {}
}

#[test]
fn a_plugin_that_wants_to_be_the_logger_fails_to_start() {
    log::set_logger(&Silent).unwrap();
    let mut vm = Vm::uninitialised(&*load("adder").unwrap());
    let trap = vm.call(Ex::Initialize, &[]).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Unreachable);
    assert!(trap.message().contains("SetLoggerError"), "{trap}");
    // Others are as before.
    let mut second = Vm::started("second", 1);
    second.call(Ex::Create, &[2, 1]).unwrap();
    second.call(Ex::RequestHeaders, &[2, 0, 0]).unwrap();
}
