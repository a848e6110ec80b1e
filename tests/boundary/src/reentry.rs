//! Host functions that call back into the guest.

use std::cell::Cell;
use std::rc::Rc;

use enginebay_engine::{HostError, TrapKind};

use crate::fixture::{FIRST, Fixture, I32, RUN, SECOND, THIRD, assert_kind, export, host, import};
use crate::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    suite.add("reentry/three_levels", three_levels);
    suite.add("reentry/a_nested_trap_keeps_its_kind", nested_trap);
    suite.add("reentry/a_host_may_go_on_after_a_nested_trap", swallowed_trap);
    suite.add("reentry/a_nested_host_error_is_not_wrapped", nested_host_error);
    let stack = suite.capabilities().stack_limit;
    suite.add_if(
        stack,
        "no stack limit",
        "reentry/endless_recursion_through_the_host_overflows_the_stack",
        endless,
    );
}

fn three_levels(fixture: Fixture) {
    let mut guest = fixture.guest(
        r#"(module
            (import "env" "outer" (func $outer (param i32) (result i32)))
            (import "env" "inner" (func $inner (param i32) (result i32)))
            (global $calls (mut i32) (i32.const 0))
            (func $count (global.set $calls (i32.add (global.get $calls) (i32.const 1))))
            (func (export "run") (param i32) (result i32) (local $kept i32)
                (call $count)
                (local.set $kept (i32.const 1000))
                (i32.add (call $outer (local.get 0)) (local.get $kept)))
            (func (export "alloc") (param i32) (result i32) (local $kept i32)
                (call $count)
                (local.set $kept (i32.const 200))
                (i32.add (call $inner (local.get 0)) (local.get $kept)))
            (func (export "leaf") (param i32) (result i32)
                (call $count)
                (i32.add (i32.mul (global.get $calls) (i32.const 10)) (local.get 0))))"#,
        &[
            import("outer", &[I32], Some(I32)),
            import("inner", &[I32], Some(I32)),
        ],
        &[
            export("run", &[I32], Some(I32)),
            export("alloc", &[I32], Some(I32)),
            export("leaf", &[I32], Some(I32)),
        ],
        host(|function, guest, args| {
            let export = if function == 0 { SECOND } else { THIRD };
            Ok(guest.call(export, &[args[0] + 1])?)
        }),
    );
    // 1000 + 200 + 3 calls * 10 + (2 + 1 + 1)
    assert_eq!(guest.call(FIRST, &[2]).unwrap(), 1234);
    assert_eq!(guest.call(FIRST, &[2]).unwrap(), 1264);
}

/// `run` asks the host, which calls `fail`.
const FAILING: &str = r#"(module (import "env" "f" (func $f (result i32)))
    (memory (export "memory") 1)
    (func (export "run") (result i32) (i32.add (call $f) (i32.const 1)))
    (func (export "fail") (param i32) (result i32)
        (if (i32.eqz (local.get 0)) (then unreachable))
        (if (i32.eq (local.get 0) (i32.const 1)) (then (drop (i32.load (i32.const 65536)))))
        (if (i32.eq (local.get 0) (i32.const 2)) (then (drop (i32.div_s (i32.const 1) (i32.const 0)))))
        (if (i32.eq (local.get 0) (i32.const 3)) (then (drop (call $f))))
        (i32.const 5)))"#;

const FAIL: enginebay_engine::Export = export("fail", &[I32], Some(I32));

fn nested_trap(fixture: Fixture) {
    let kinds = [
        TrapKind::Unreachable,
        TrapKind::MemoryOutOfBounds,
        TrapKind::Arithmetic,
    ];
    for (number, kind) in kinds.into_iter().enumerate() {
        let seen = Rc::new(Cell::new(None));
        let mut guest = fixture.guest(
            FAILING,
            &[import("f", &[], Some(I32))],
            &[RUN, FAIL],
            host({
                let seen = Rc::clone(&seen);
                move |_, guest, _| {
                    let result = guest.call(SECOND, &[number as u64]);
                    seen.set(result.as_ref().err().map(enginebay_engine::Trap::kind));
                    Ok(result?)
                }
            }),
        );
        let trap = guest.call(FIRST, &[]).unwrap_err();
        assert_kind(&trap, kind);
        assert_eq!(seen.get(), Some(kind));
    }
}

fn swallowed_trap(fixture: Fixture) {
    let mut guest = fixture.guest(
        FAILING,
        &[import("f", &[], Some(I32))],
        &[RUN, FAIL],
        host(|_, guest, _| {
            assert_kind(&guest.call(SECOND, &[0]).unwrap_err(), TrapKind::Unreachable);
            Ok(guest.call(SECOND, &[9])? + 10)
        }),
    );
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 16);
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 16);
}

fn nested_host_error(fixture: Fixture) {
    for exit in [false, true] {
        let depth = Cell::new(0);
        let mut guest = fixture.guest(
            FAILING,
            &[import("f", &[], Some(I32))],
            &[RUN, FAIL],
            host(move |_, guest, _| {
                depth.set(depth.get() + 1);
                match depth.get() {
                    1 => Ok(guest.call(SECOND, &[3])?),
                    _ if exit => Err(HostError::exit(9)),
                    _ => Err(HostError::other("the disk is full")),
                }
            }),
        );
        let trap = guest.call(FIRST, &[]).unwrap_err();
        if exit {
            assert_kind(&trap, TrapKind::Exit(9));
        } else {
            assert_kind(&trap, TrapKind::HostError);
            assert_eq!(trap.message(), "the disk is full");
        }
    }
}

fn endless(fixture: Fixture) {
    let mut guest = fixture.guest(
        FAILING,
        &[import("f", &[], Some(I32))],
        &[RUN, FAIL],
        host(|_, guest, _| Ok(guest.call(FIRST, &[])?)),
    );
    assert_kind(&guest.call(FIRST, &[]).unwrap_err(), TrapKind::StackOverflow);
}
