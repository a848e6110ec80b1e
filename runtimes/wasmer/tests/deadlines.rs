//! The checks of the deadline that are compiled into a guest: no way to run for ever goes past them all.

use std::rc::Rc;
use std::time::Duration;

use enginebay_engine::{
    EngineOptions, Export, ExportId, Guest, Host, HostError, Instance, Limits, LoadRequest, Signature,
    TrapKind, ValType,
};
use enginebay_runtime_wasmer::RUNTIME;

struct Nobody;

impl Host for Nobody {
    fn call(&self, _: usize, _: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
        Err(HostError::other("there are no host functions"))
    }
}

const RUN: ExportId = ExportId(0);
const WANTED: &[Export] = &[Export {
    name: "run",
    signature: Signature::new(&[ValType::I32], Some(ValType::I32)),
}];

fn guest(limits: Limits, wat: &str) -> Box<dyn Instance> {
    let engine = RUNTIME.create(&EngineOptions::with_limits(limits)).unwrap();
    let code = wat::parse_str(wat).unwrap();
    let module = engine.load(&LoadRequest::new(&code, &[], WANTED)).unwrap();
    module.instantiate(Rc::new(Nobody)).unwrap()
}

fn short() -> Limits {
    Limits {
        call_time: Some(Duration::from_millis(20)),
        ..Limits::default()
    }
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

#[test]
fn every_way_to_run_for_ever_is_stopped() {
    for (name, body) in ENDLESS {
        let trap = guest(short(), &module(body)).call(RUN, &[1]).unwrap_err();
        assert_eq!(trap.kind(), TrapKind::Interrupted, "{name}: {trap:?}");
        assert_eq!(trap.message(), "the call took longer than 20ms", "{name}");
    }
}

#[test]
fn an_unreachable_before_the_deadline_is_one() {
    let trap = guest(short(), &module("unreachable"))
        .call(RUN, &[1])
        .unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Unreachable);
}

#[test]
fn the_names_of_what_is_added_may_be_taken() {
    let mut guest = guest(
        short(),
        r#"(module (global $g (mut i32) (i32.const 0)) (start $start)
            (func $start (global.set $g (i32.const 30)))
            (func (export "enginebay start") (global.set $g (i32.const 40)))
            (global (export "enginebay deadline") (mut i64) (i64.const -1))
            (func (export "enginebay deadline'"))
            (func (export "run") (param i32) (result i32) (i32.add (global.get $g) (local.get 0))))"#,
    );
    assert_eq!(guest.call(RUN, &[3]).unwrap(), 33);
}

#[test]
fn a_call_after_a_pause_has_all_its_time() {
    let mut guest = guest(short(), &module("(call $tree (i32.const 4))"));
    for _ in 0..3 {
        assert_eq!(guest.call(RUN, &[1]).unwrap(), 16);
        // By now the clock has marked the deadline of the call that is over.
        std::thread::sleep(Duration::from_millis(50));
    }
}
