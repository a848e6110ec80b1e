//! How guests stop, and how host functions stop them.

use std::cell::Cell;
use std::panic::panic_any;
use std::rc::Rc;

use enginebay_engine::{Host, HostError, Trap, TrapKind};

use crate::fixture::{FIRST, Fixture, I32, RUN, assert_kind, host, import};
use crate::suite::Suite;

/// Bodies of `run: () -> i32` and what their traps say, in a module with one page of memory and a table of two functions and an empty place.
const TRAPS: &[(&str, &str, &str)] = &[
    ("unreachable", "unreachable", "unreachable"),
    (
        "load",
        "(i32.load (i32.const 65533))",
        "out of bounds memory access",
    ),
    (
        "load_with_offset",
        "(i32.load offset=4294967295 (i32.const -1))",
        "out of bounds memory access",
    ),
    (
        "store",
        "(i64.store (i32.const 65529) (i64.const 1)) (i32.const 0)",
        "out of bounds memory access",
    ),
    (
        "memory_fill",
        "(memory.fill (i32.const 65530) (i32.const 1) (i32.const 7)) (i32.const 0)",
        "out of bounds memory access",
    ),
    (
        "memory_copy",
        "(memory.copy (i32.const 0) (i32.const 65530) (i32.const 7)) (i32.const 0)",
        "out of bounds memory access",
    ),
    (
        "division_by_zero",
        "(i32.div_u (i32.const 1) (global.get $zero))",
        "arithmetic error: integer divide by zero",
    ),
    (
        "remainder_by_zero",
        "(i32.rem_s (i32.const 1) (global.get $zero))",
        "arithmetic error: integer divide by zero",
    ),
    (
        "division_overflow",
        "(i32.div_s (i32.const 0x80000000) (i32.sub (global.get $zero) (i32.const 1)))",
        "arithmetic error: integer overflow",
    ),
    (
        "conversion_of_nan",
        "(i32.trunc_f64_s (f64.const nan))",
        "arithmetic error: invalid conversion to integer",
    ),
    (
        "conversion_overflow",
        "(i32.trunc_f32_s (f32.const 3e9))",
        "arithmetic error: integer overflow",
    ),
    (
        "indirect_call_of_nothing",
        "(call_indirect (result i32) (i32.const 2))",
        "bad table access: uninitialized element",
    ),
    (
        "indirect_call_of_another_type",
        "(call_indirect (result i32) (i32.const 1))",
        "bad table access: indirect call type mismatch",
    ),
    (
        "indirect_call_outside",
        "(call_indirect (result i32) (i32.const 3))",
        "bad table access: undefined element",
    ),
    (
        "table_get",
        "(ref.is_null (table.get (i32.const 3)))",
        "bad table access: undefined element",
    ),
];

pub(crate) fn add(suite: &mut Suite) {
    for (name, body, said) in TRAPS {
        suite.add(format!("traps/{name}"), |fixture| {
            assert_eq!(fixture.trap(&module(body)).to_string(), *said);
        });
    }
    suite.add("traps/a_failed_host_function", host_error);
    suite.add("traps/a_panic_in_a_host_function", panic);
    suite.add("traps/proc_exit", exit);
    suite.add("traps/a_failed_call_changes_only_its_own_instance", others_go_on);
    let names = suite.capabilities().backtrace_names;
    suite.add_unless_cannot(
        names,
        "no names in backtraces",
        "traps/names_in_the_backtrace",
        names_of_frames,
    );
}

fn module(body: &str) -> String {
    format!(
        r#"(module (memory (export "memory") 1) (table 3 funcref) (elem (i32.const 0) $ok $other)
            (global $zero (mut i32) (i32.const 0))
            (func $ok (result i32) (i32.const 0))
            (func $other (param i64))
            (func (export "run") (result i32) {body}))"#
    )
}

const CALLS_F: &str = r#"(module (import "env" "f" (func $f (result i32)))
    (func (export "run") (result i32) (i32.add (call $f) (i32.const 1))))"#;

fn run_with(fixture: &Fixture, host: Rc<dyn Host>) -> Result<u64, Trap> {
    fixture
        .guest(CALLS_F, &[import("f", &[], Some(I32))], &[RUN], host)
        .call(FIRST, &[])
}

fn host_error(fixture: Fixture) {
    let failing = host(|_, _, _| Err(HostError::other("the disk is full")));
    let trap = run_with(&fixture, failing).unwrap_err();
    assert_kind(&trap, TrapKind::HostError);
    assert_eq!(trap.message(), "the disk is full");
    assert_eq!(trap.to_string(), "host error: the disk is full");
}

fn panic(fixture: Fixture) {
    let number = 7;
    for (host, message) in [
        (
            host(move |_, _, _| panic!("boom {number}")) as Rc<dyn Host>,
            "boom 7",
        ),
        (host(|_, _, _| panic!("boom")), "boom"),
        (host(|_, _, _| panic_any(5)), "no message"),
    ] {
        let trap = run_with(&fixture, host).unwrap_err();
        assert_kind(&trap, TrapKind::HostError);
        assert_eq!(trap.message(), format!("a host function panicked: {message}"));
    }
    assert_eq!(run_with(&fixture, host(|_, _, _| Ok(41))).unwrap(), 42);
}

fn exit(fixture: Fixture) {
    for code in [0, 3, u32::MAX] {
        let exiting = host(move |_, _, _| Err(HostError::exit(code)));
        assert_kind(&run_with(&fixture, exiting).unwrap_err(), TrapKind::Exit(code));
    }
}

fn others_go_on(fixture: Fixture) {
    let module = fixture.load(CALLS_F, &[import("f", &[], Some(I32))], &[RUN]);
    let fail = Rc::new(Cell::new(false));
    let mut guests: Vec<_> = (0..2)
        .map(|_| {
            let fail = Rc::clone(&fail);
            module
                .instantiate(host(move |_, _, _| match fail.get() {
                    true => Err(HostError::exit(1)),
                    false => Ok(1),
                }))
                .unwrap()
        })
        .collect();
    fail.set(true);
    assert!(guests[0].call(FIRST, &[]).is_err());
    fail.set(false);
    assert_eq!(guests[1].call(FIRST, &[]).unwrap(), 2);
}

fn names_of_frames(fixture: Fixture) {
    let trap = fixture.trap(
        r#"(module (func $inner (result i32) unreachable)
            (func $outer (export "run") (result i32) (i32.add (call $inner) (i32.const 1))))"#,
    );
    let names: Vec<_> = trap
        .backtrace()
        .iter()
        .map(|frame| frame.name.as_deref())
        .collect();
    assert_eq!(names, [Some("inner"), Some("outer")]);
    assert_eq!(trap.backtrace()[0].function, Some(0));
}
