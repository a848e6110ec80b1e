//! Guests that would run for ever: no way to do so goes past the time limit. Compiled code that looks at a deadline has to look
//! at it on all of them.

use std::time::Duration;

use enginebay_engine::{Error, ErrorKind, Limits, TrapKind};

use crate::fixture::{FIRST, Fixture, I32, assert_kind, export, no_host};
use crate::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    let can = suite.capabilities().time_limit;
    for (name, body) in ENDLESS {
        let name = format!("endless/{}", name.replace(' ', "_"));
        suite.add_if(can, "no time limit", name, |fixture| {
            is_stopped(fixture, &module(body))
        });
    }
    for (name, case) in [
        ("without_a_memory", without_a_memory as fn(Fixture)),
        ("an_unreachable_before_the_deadline_is_one", unreachable),
        ("the_names_of_what_is_added_may_be_taken", names_taken),
        ("a_call_after_a_pause_has_all_its_time", after_a_pause),
        ("what_is_added_is_out_of_reach", out_of_reach),
    ] {
        suite.add_if(can, "no time limit", format!("endless/{name}"), case);
    }
}

const RUN: enginebay_engine::Export = export("run", &[I32], Some(I32));

fn short(fixture: Fixture) -> Fixture {
    fixture.limits(Limits {
        call_time: Some(Duration::from_millis(20)),
        ..Limits::default()
    })
}

/// Bodies of `run: (i32) -> i32`, called with 1, in a module that has what they use.
const ENDLESS: &[(&str, &str)] = &[
    ("a bare loop", "(loop $l (br $l)) (i32.const 0)"),
    (
        "a loop that depends on what it is given",
        "(loop $l (br_if $l (local.get 0))) (i32.const 0)",
    ),
    (
        "a loop around a loop that ends",
        "(loop $o (local.set $i (i32.const 9))
            (loop $l (local.set $i (i32.sub (local.get $i) (i32.const 1))) (br_if $l (local.get $i)))
            (br $o)) (i32.const 0)",
    ),
    (
        "a loop that is all there is of a loop",
        "(loop (loop $l (br $l))) (i32.const 0)",
    ),
    (
        "a loop after a loop",
        "(local.set $i (i32.const 9))
            (loop $l (local.set $i (i32.sub (local.get $i) (i32.const 1))) (br_if $l (local.get $i)))
            (loop $l (br $l)) (i32.const 0)",
    ),
    (
        "two ways back",
        "(loop $l (if (i32.eqz (local.get $i))
            (then (local.set $i (i32.const 1)) (br $l))
            (else (local.set $i (i32.const 0)) (br $l)))) (i32.const 0)",
    ),
    (
        "a table of ways back",
        "(loop $o (loop $l (br_table $l $o $l (local.get $i)))) (i32.const 0)",
    ),
    (
        "a loop with parameters",
        "(i32.const 5) (i64.const 6)
            (loop $l (param i32 i64) (result i32 i64) (br $l)) (drop)",
    ),
    (
        "a loop that reads and writes memory",
        "(loop $l (i32.store (i32.const 8) (i32.add (i32.load (i32.const 8)) (i32.const 1))) (br $l)) (i32.const 0)",
    ),
    (
        "a loop that reads and writes a global",
        "(loop $l (global.set $g (i64.add (global.get $g) (i64.const 1))) (br $l)) (i32.const 0)",
    ),
    (
        "a loop of calls",
        "(loop $l (drop (call $leaf (local.get 0))) (br $l)) (i32.const 0)",
    ),
    ("calls without a loop", "(call $tree (i32.const 200))"),
    (
        "indirect calls without a loop",
        "(call $indirect (i32.const 200))",
    ),
];

fn module(body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 1) (global $g (mut i64) (i64.const 0))
            (type $t (func (param i32) (result i32)))
            (table 1 funcref) (elem (i32.const 0) $indirect)
            (func $leaf (param i32) (result i32) (local.get 0))
            (func $tree (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (i32.add (call $tree (i32.sub (local.get 0) (i32.const 1)))
                        (call $tree (i32.sub (local.get 0) (i32.const 1)))))
                    (else (i32.const 1))))
            (func $indirect (param i32) (result i32)
                (if (result i32) (local.get 0)
                    (then (i32.add
                        (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))
                        (call_indirect (type $t) (i32.sub (local.get 0) (i32.const 1)) (i32.const 0))))
                    (else (i32.const 1))))
            (func (export "run") (param i32) (result i32) (local $i i32) {body}))"#
    )
}

fn is_stopped(fixture: Fixture, wat: &str) {
    let mut guest = short(fixture).guest(wat, &[], &[RUN], no_host());
    let trap = guest.call(FIRST, &[1]).unwrap_err();
    assert_kind(&trap, TrapKind::Interrupted);
    assert_eq!(trap.message(), "the call took longer than 20ms");
}

fn without_a_memory(fixture: Fixture) {
    is_stopped(
        fixture,
        r#"(module (func (export "run") (param i32) (result i32) (loop $l (br $l)) (i32.const 0)))"#,
    );
}

fn unreachable(fixture: Fixture) {
    let mut guest = short(fixture).guest(&module("unreachable"), &[], &[RUN], no_host());
    assert_kind(&guest.call(FIRST, &[1]).unwrap_err(), TrapKind::Unreachable);
}

fn names_taken(fixture: Fixture) {
    let wat = r#"(module (global $g (mut i32) (i32.const 0)) (start $start)
        (func $start (global.set $g (i32.const 30)))
        (func (export "enginebay start") (global.set $g (i32.const 40)))
        (global (export "enginebay deadline") (mut i64) (i64.const -1))
        (func (export "enginebay deadline'"))
        (func (export "run") (param i32) (result i32) (i32.add (global.get $g) (local.get 0))))"#;
    let mut guest = short(fixture).guest(wat, &[], &[RUN], no_host());
    assert_eq!(guest.call(FIRST, &[3]).unwrap(), 33);
}

fn after_a_pause(fixture: Fixture) {
    let mut guest = short(fixture).guest(&module("(call $tree (i32.const 4))"), &[], &[RUN], no_host());
    for _ in 0..3 {
        assert_eq!(guest.call(FIRST, &[1]).unwrap(), 16);
        // By now a clock has found that the call's time is over, which ended long before.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Memories, globals and functions that a module doesn't have, and those that were added do: a guest that could write to its
/// deadline would have no time limit.
fn out_of_reach(fixture: Fixture) {
    let fixture = short(fixture);
    for (what, body) in [
        ("a memory", "(i64.store 1 (i32.const 0) (i64.const 1))"),
        ("a memory that is read", "(drop (i64.load 1 (i32.const 0)))"),
        ("a memory that grows", "(drop (memory.grow 1 (i32.const 1)))"),
        (
            "a memory that is filled",
            "(memory.fill 1 (i32.const 0) (i32.const 0) (i32.const 8))",
        ),
        ("a global", "(global.set 1 (i64.const 1))"),
        ("a function", "(drop (call 5 (i32.const 0)))"),
    ] {
        let wat = module(&format!("{body} (i32.const 0)"));
        let error: Option<Error> = fixture.try_load(&wat, &[], &[RUN]).err();
        let kind = error.as_ref().map(Error::kind);
        assert_eq!(kind, Some(ErrorKind::InvalidModule), "{what}: {error:?}");
    }
}
