//! A program with a panic hook of its own. One test: the hook is the process's.

mod common;
#[path = "common/plugins/mod.rs"]
mod plugins;

use std::sync::atomic::{AtomicU32, Ordering};

use common::{Ex, Vm};

static HEARD: AtomicU32 = AtomicU32::new(0);

#[test]
fn the_programs_hook_hears_of_the_programs_panics_only() {
    std::panic::set_hook(Box::new(|_| {
        HEARD.fetch_add(1, Ordering::Relaxed);
    }));
    let heard = || HEARD.load(Ordering::Relaxed);
    // The SDK replaces the hook in this one's start function.
    let mut adder = Vm::started("adder", 1);
    assert_eq!(adder.call(Ex::VmStart, &[1, 0]).unwrap(), 1);
    let mut vm = Vm::started("crasher", 2);
    vm.call(Ex::Create, &[3, 2]).unwrap();
    vm.call(Ex::RequestHeaders, &[3, 1, 0]).unwrap_err();
    vm.call(Ex::RequestHeaders, &[3, 2, 0]).unwrap();
    assert_eq!(heard(), 0);
    // A panic in a host function.
    vm.call(Ex::RequestHeaders, &[3, 4, 0]).unwrap_err();
    assert_eq!(heard(), 1);
    assert!(std::panic::catch_unwind(|| panic!("ordinary")).is_err());
    assert_eq!(heard(), 2);
    assert!(std::thread::spawn(|| panic!("ordinary")).join().is_err());
    assert_eq!(heard(), 3);
    // Nobody holds the lock on the hook.
    drop(std::panic::take_hook());
}
