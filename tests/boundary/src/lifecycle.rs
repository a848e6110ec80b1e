//! Instances: how they start, what they share, and what they leave behind.

use std::cell::Cell;
use std::rc::Rc;
use std::thread;

use enginebay_engine::{ErrorKind, HostError, Instance, Module, TrapKind};

use crate::fixture::{FIRST, Fixture, I32, RUN, SECOND, assert_kind, export, host, import, no_host};
use crate::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("lifecycle/instances_share_nothing", share_nothing);
    suite.add("lifecycle/threads_share_a_module", threads);
    suite.add("lifecycle/many_instances_at_once", many);
    suite.add("lifecycle/instances_outlive_engine_and_module", outlive);
    suite.add("lifecycle/a_dropped_instance_lets_go_of_its_host", lets_go);
    suite.add("lifecycle/start_runs_before_anything_else", start);
    suite.add("lifecycle/start_may_call_the_host", start_calls_the_host);
    suite.add("lifecycle/start_may_be_a_host_function", start_is_the_hosts);
    suite.add("lifecycle/start_traps", start_traps);
    suite.add("lifecycle/start_fails_in_the_host", start_fails_in_the_host);
    suite.add("lifecycle/segments_that_do_not_fit", segments);
}

/// `run` counts its calls in memory and adds what the host says.
const COUNTER: &str = r#"(module (import "env" "f" (func $f (result i32)))
    (memory (export "memory") 1) (global $count (mut i32) (i32.const 0))
    (func (export "run") (result i32)
        (global.set $count (i32.add (global.get $count) (i32.const 1)))
        (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1)))
        (i32.add (call $f) (i32.add (global.get $count) (i32.mul (i32.load (i32.const 0)) (i32.const 10))))))"#;

fn counter(module: &dyn Module, answer: u64) -> Box<dyn Instance> {
    module.instantiate(host(move |_, _, _| Ok(answer))).unwrap()
}

fn load_counter(fixture: &Fixture) -> std::sync::Arc<dyn Module> {
    fixture.load(COUNTER, &[import("f", &[], Some(I32))], &[RUN])
}

fn share_nothing(fixture: Fixture) {
    let module = load_counter(&fixture);
    let mut one = counter(&*module, 100);
    let mut two = counter(&*module, 200);
    assert_eq!(one.call(FIRST, &[]).unwrap(), 111);
    assert_eq!(one.call(FIRST, &[]).unwrap(), 122);
    assert_eq!(two.call(FIRST, &[]).unwrap(), 211);
    one.memory().write_u32(0, 50).unwrap();
    assert_eq!(two.memory().read_u32(0), Ok(1));
    assert_eq!(two.call(FIRST, &[]).unwrap(), 222);
    drop(one);
    assert_eq!(counter(&*module, 300).call(FIRST, &[]).unwrap(), 311);
    assert_eq!(two.call(FIRST, &[]).unwrap(), 233);
}

fn threads(fixture: Fixture) {
    let module = load_counter(&fixture);
    thread::scope(|scope| {
        for number in 1..=4 {
            let module = &module;
            scope.spawn(move || {
                let mut guest = counter(&**module, number * 100_000);
                for call in 1..=1000 {
                    assert_eq!(guest.call(FIRST, &[]).unwrap(), number * 100_000 + call * 11);
                }
            });
        }
    });
}

fn many(fixture: Fixture) {
    let module = load_counter(&fixture.max_instances(200));
    let mut guests: Vec<_> = (0..200).map(|number| counter(&*module, number * 1000)).collect();
    for call in 1..=2 {
        for (number, guest) in (0..).zip(&mut guests) {
            assert_eq!(guest.call(FIRST, &[]).unwrap(), number * 1000 + call * 11);
        }
    }
}

fn outlive(fixture: Fixture) {
    // The engine is dropped inside.
    let module = load_counter(&fixture);
    let mut guest = counter(&*module, 100);
    drop(module);
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 111);
}

fn lets_go(fixture: Fixture) {
    let fails = Rc::new(Cell::new(false));
    let host = host({
        let fails = Rc::clone(&fails);
        move |_, _, _| match fails.get() {
            true => Err(HostError::exit(1)),
            false => Ok(1),
        }
    });
    let module = load_counter(&fixture);
    for fail in [false, true] {
        let mut guest = module.instantiate(host.clone()).unwrap();
        assert!(Rc::strong_count(&host) > 1);
        fails.set(fail);
        assert_eq!(guest.call(FIRST, &[]).is_err(), fail);
        drop(guest);
        assert_eq!(Rc::strong_count(&host), 1);
    }
    let failing = fixture.load("(module (func $start unreachable) (start $start))", &[], &[]);
    assert!(failing.instantiate(host.clone()).is_err());
    assert_eq!(Rc::strong_count(&host), 1);
}

fn start(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (global $g (mut i32) (i32.const 1))
            (func $start (global.set $g (i32.const 7))) (start $start)
            (func (export "run") (result i32) (global.get $g)))"#,
        &[],
        &[RUN],
        no_host(),
    );
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 7);
}

fn start_calls_the_host(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (import "env" "f" (func $f (param i32) (result i32)))
            (memory (export "memory") 1) (data (i32.const 4) "\2a")
            (global $g (mut i32) (i32.const 0))
            (func $start (global.set $g (call $f (i32.const 4)))) (start $start)
            (func (export "run") (result i32) (global.get $g))
            (func (export "double") (param i32) (result i32) (i32.mul (local.get 0) (i32.const 2))))"#,
        &[import("f", &[I32], Some(I32))],
        &[RUN, export("double", &[I32], Some(I32))],
        host(|_, guest, args| {
            let value = guest.memory().read_u32(args[0]).unwrap();
            Ok(guest.call(SECOND, &[u64::from(value)])?)
        }),
    );
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 84);
    assert_eq!(guest.memory_size(), 65536);
}

fn start_is_the_hosts(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module (import "env" "f" (func $f)) (start $f)
            (memory (export "memory") 1) (data (i32.const 4) "\2a")
            (func (export "run") (result i32) (call $f) (i32.load (i32.const 4))))"#,
        &[import("f", &[], None)],
        &[RUN],
        host(|_, _, _| Ok(0)),
    );
    assert_eq!(guest.memory_size(), 65536);
    assert_eq!(guest.memory().read_u32(4), Ok(42));
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 42);
}

fn start_traps(fixture: Fixture) {
    let module = fixture.load("(module (func $start unreachable) (start $start))", &[], &[]);
    let error = module.instantiate(no_host()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Instantiate);
    assert_kind(error.trap().expect("a trap"), TrapKind::Unreachable);
    let message = error.to_string();
    let expected = "the module's start function failed: unreachable";
    assert!(message.starts_with(expected), "{message}");
}

fn start_fails_in_the_host(fixture: Fixture) {
    let module = fixture.load(
        r#"(module (import "env" "f" (func $f)) (start $f))"#,
        &[import("f", &[], None)],
        &[],
    );
    let instantiate = |host| module.instantiate(host).map(drop).unwrap_err();
    let error = instantiate(host(|_, _, _| Err(HostError::other("no licence"))));
    assert_eq!(error.kind(), ErrorKind::Instantiate);
    assert_eq!(
        error.to_string(),
        "the module's start function failed: host error: no licence"
    );
    let error = instantiate_exit(&*module);
    assert_kind(error.trap().expect("a trap"), TrapKind::Exit(5));
}

fn instantiate_exit(module: &dyn Module) -> enginebay_engine::Error {
    module
        .instantiate(host(|_, _, _| Err(HostError::exit(5))))
        .map(drop)
        .unwrap_err()
}

fn segments(fixture: Fixture) {
    for wat in [
        r#"(module (memory 1) (data (i32.const 65535) "ab"))"#,
        "(module (table 1 funcref) (func $f) (elem (i32.const 1) $f))",
    ] {
        let module = fixture.load(wat, &[], &[]);
        let error = module.instantiate(no_host()).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Instantiate, "{error}");
    }
}
