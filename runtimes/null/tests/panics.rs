//! Panics in plugins written with the SDK.

mod common;
#[path = "common/plugins/mod.rs"]
mod plugins;

use std::sync::Once;

use common::{Ex, Vm, load};
use enginebay_engine::{Trap, TrapKind};
use plugins::crasher::DROPPED;

/// The stream of these tests is number 2, of root context 1.
fn crasher() -> Vm {
    // The first plugin that calls `set_log_level` replaces the hook for a moment: not while others panic.
    static FIRST: Once = Once::new();
    FIRST.call_once(|| drop(Vm::new("adder")));
    let mut vm = Vm::started("crasher", 1);
    vm.call(Ex::Create, &[2, 1]).unwrap();
    vm
}

fn crash(vm: &mut Vm, how: u64) -> Result<u64, Trap> {
    vm.call(Ex::RequestHeaders, &[2, how, 0])
}

fn nothing_is_left_behind() {
    assert!(!std::thread::panicking());
    let caught = std::panic::catch_unwind(|| std::panic::resume_unwind(Box::new(1)));
    assert!(caught.is_err());
    assert!(!std::thread::panicking());
}

#[test]
fn a_panic_is_a_trap_with_the_panics_text() {
    let mut vm = crasher();
    DROPPED.set(0);
    let trap = crash(&mut vm, 1).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Unreachable);
    let message = trap.message();
    assert!(
        message.starts_with("panicked at runtimes/null/tests/common/plugins/crasher.rs:"),
        "{message}"
    );
    assert!(
        message.ends_with(": boom 1") && !message.contains('\n'),
        "{message}"
    );
    assert_eq!(DROPPED.get(), 1);
    nothing_is_left_behind();
    let logs = vm.logs();
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert_eq!(logs[0].0, 5);
    assert!(logs[0].1.ends_with(":\nboom 1"), "{logs:?}");
}

#[test]
fn a_thousand_panics_in_one_thread() {
    let mut vm = crasher();
    DROPPED.set(0);
    for round in 0..1000 {
        // The SDK's contexts are in no bad state: borrows ended, so the same one can be called again.
        let trap = crash(&mut vm, 1).unwrap_err();
        assert_eq!(trap.kind(), TrapKind::Unreachable);
        let trap = vm.call(Ex::Tick, &[1]).unwrap_err();
        assert!(trap.message().ends_with("a tick without a value"), "{trap}");
        assert_eq!(DROPPED.get(), 2 * (round + 1));
        nothing_is_left_behind();
    }
    assert_eq!(crash(&mut vm, 0).unwrap(), 0);
}

#[test]
fn other_plugins_on_the_thread_go_on() {
    let mut second = Vm::started("second", 10);
    let mut vm = crasher();
    crash(&mut vm, 1).unwrap_err();
    drop(vm);
    second.call(Ex::Create, &[11, 10]).unwrap();
    second.call(Ex::RequestHeaders, &[11, 0, 0]).unwrap();
    assert_eq!(second.headers().len(), 1);
    let mut third = Vm::started("adder", 20);
    third.call(Ex::Create, &[21, 20]).unwrap();
    third.call(Ex::RequestHeaders, &[21, 0, 0]).unwrap();
}

#[test]
fn a_plugin_may_catch_its_own_panic() {
    let mut vm = crasher();
    DROPPED.set(0);
    assert_eq!(crash(&mut vm, 2).unwrap(), 0);
    assert_eq!(vm.headers(), [("x-caught".to_owned(), "yes".to_owned())]);
    assert_eq!(DROPPED.get(), 2);
    assert!(vm.logs().is_empty());
    let trap = crash(&mut vm, 9).unwrap_err();
    assert!(trap.message().ends_with("a new one of two lines"), "{trap}");
    nothing_is_left_behind();
}

#[test]
fn a_panic_in_a_destructor_during_a_panic() {
    let mut vm = crasher();
    let trap = crash(&mut vm, 3).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Unreachable);
    assert!(trap.message().ends_with(": first"), "{trap}");
    nothing_is_left_behind();
    // This one does not let the SDK's borrows end: its contexts on this thread are lost, and nothing else is.
    let trap = crash(&mut vm, 0).unwrap_err();
    assert!(trap.message().ends_with("already borrowed"), "{trap}");
    nothing_is_left_behind();
    std::thread::spawn(|| assert_eq!(crash(&mut crasher(), 0).unwrap(), 0))
        .join()
        .unwrap();
}

#[test]
fn payloads_that_are_no_text() {
    let mut vm = crasher();
    let trap = crash(&mut vm, 6).unwrap_err();
    assert!(trap.message().starts_with("panicked at "), "{trap}");
    let trap = crash(&mut vm, 7).unwrap_err();
    assert_eq!(trap.message(), "panicked without a message");
    nothing_is_left_behind();
}

#[test]
fn a_host_panic_is_the_hosts() {
    let mut vm = crasher();
    let trap = crash(&mut vm, 4).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::HostError);
    assert_eq!(trap.message(), "a host function panicked: the host panics");
    assert!(vm.logs().is_empty(), "the plugin's own panic is of no interest");
    nothing_is_left_behind();
}

#[test]
fn a_host_error_wins_over_what_the_plugin_makes_of_it() {
    let mut vm = crasher();
    let trap = crash(&mut vm, 5).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Exit(3));
    let trap = crash(&mut vm, 11).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Exit(3));
    assert!(vm.logs().is_empty());
    nothing_is_left_behind();
}

#[test]
fn a_destructor_may_call_the_host_during_a_panic() {
    let mut vm = crasher();
    let trap = crash(&mut vm, 8).unwrap_err();
    assert!(trap.message().ends_with("with a log"), "{trap}");
    let texts: Vec<_> = vm.logs().into_iter().map(|log| log.1).collect();
    assert_eq!(texts[0], "call me back");
    assert!(texts[1].ends_with("with a log"));
    nothing_is_left_behind();
}

#[test]
fn a_start_function_may_panic() {
    // The second panics in a C function, which can't unwind.
    for (plugin, message) in [
        ("bad_start", "cannot start at all"),
        ("bad_c_start", "cannot start in C"),
    ] {
        let module = load(plugin).unwrap();
        let mut vm = Vm::uninitialised(&*module);
        let trap = vm.call(Ex::Initialize, &[]).unwrap_err();
        assert_eq!(trap.kind(), TrapKind::Unreachable);
        assert!(trap.message().ends_with(message), "{trap}");
        let trap = vm.call(Ex::Create, &[99, 0]).unwrap_err();
        assert!(trap.message().ends_with(message), "{trap}");
        nothing_is_left_behind();
    }
}

#[test]
fn a_panic_in_the_allocator_leaves_the_host_alone() {
    // Allocating more than there can be panics in the SDK's allocator.
    let mut vm = crasher();
    let trap = vm.call(Ex::Allocate, &[u64::MAX]).unwrap_err();
    assert!(trap.message().contains("capacity overflow"), "{trap}");
    nothing_is_left_behind();
}

#[test]
fn panics_on_four_threads_at_once() {
    let threads: Vec<_> = (0..4)
        .map(|_| {
            std::thread::spawn(|| {
                let mut vm = crasher();
                for _ in 0..300 {
                    crash(&mut vm, 1).unwrap_err();
                    vm.call(Ex::Tick, &[1]).unwrap_err();
                    nothing_is_left_behind();
                }
                assert_eq!(crash(&mut vm, 0).unwrap(), 0);
                crash(&mut vm, 3).unwrap_err();
                nothing_is_left_behind();
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[test]
fn a_thread_that_panics_may_call_plugins() {
    struct Calls(Vm);
    impl Drop for Calls {
        fn drop(&mut self) {
            assert!(std::thread::panicking());
            assert_eq!(crash(&mut self.0, 0).unwrap(), 0);
            crash(&mut self.0, 1).unwrap_err();
            assert!(std::thread::panicking());
        }
    }
    let calls = Calls(crasher());
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _calls = calls;
        std::panic::resume_unwind(Box::new(()));
    }));
    assert!(caught.is_err());
    nothing_is_left_behind();
}

#[test]
fn plugins_can_be_started_after_a_panic() {
    let mut vm = crasher();
    crash(&mut vm, 1).unwrap_err();
    crash(&mut vm, 3).unwrap_err();
    let (done, waited) = std::sync::mpsc::channel();
    // This replaces the panic hook, on a thread of its own: a lock that somebody still has would be waited for without
    // end.
    std::thread::spawn(move || {
        Vm::new("adder");
        done.send(())
    });
    waited.recv_timeout(std::time::Duration::from_secs(10)).unwrap();
}
