//! What a guest may use.

use std::time::{Duration, Instant};

use enginebay_engine::{EngineOptions, ErrorKind, Limits, TrapKind};

use crate::fixture::{FIRST, Fixture, I32, I64, RUN, SECOND, assert_kind, export, host, import, no_host};
use crate::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    let can = suite.capabilities();
    let none = Limits::default();

    let limit = Limits {
        memory: Some(65536),
        ..none
    };
    refused_unless(suite, can.memory_limit, "memory", limit);
    for (name, case) in [
        ("memory/growth", memory_growth as fn(Fixture)),
        ("memory/module", memory_of_module),
        ("memory/of_a_guest_without_one", memory_of_none),
    ] {
        suite.add_if(
            can.memory_limit,
            "no memory limit",
            format!("limits/{name}"),
            case,
        );
    }

    let limit = Limits {
        table_elements: Some(10),
        ..none
    };
    refused_unless(suite, can.table_limit, "table_elements", limit);
    for (name, case) in [
        ("table/growth", table_growth as fn(Fixture)),
        ("table/module", table_of_module),
    ] {
        suite.add_if(can.table_limit, "no table limit", format!("limits/{name}"), case);
    }

    let limit = Limits {
        call_time: Some(Duration::from_secs(1)),
        ..none
    };
    refused_unless(suite, can.time_limit, "call_time", limit);
    for (name, case) in [
        ("time/endless_loop", endless_loop as fn(Fixture)),
        ("time/endless_loop_of_slow_host_calls", slow_host_calls),
        ("time/endless_loop_of_host_calls", endless_host_calls),
        ("time/endless_loop_in_a_nested_call", endless_nested_loop),
        (
            "time/a_swallowed_interruption_interrupts_again",
            swallowed_interruption,
        ),
        ("time/endless_start_function", endless_start),
        ("time/each_call_has_its_own", each_call_has_its_own),
        ("time/an_interrupted_guest_can_be_called_again", called_again),
        ("time/a_long_call_is_not_disturbed", long_call),
        ("time/no_limit_can_be_asked_for", no_time_limit),
    ] {
        suite.add_if(can.time_limit, "no time limit", format!("limits/{name}"), case);
    }

    let limit = Limits {
        stack: Some(512 << 10),
        ..none
    };
    refused_unless(suite, can.stack_limit, "stack", limit);
    for (name, case) in [
        ("stack/endless_recursion", endless_recursion as fn(Fixture)),
        ("stack/a_real_depth_is_reached", real_depth),
        ("stack/the_limit_is_what_counts", depth_follows_the_limit),
    ] {
        suite.add_if(can.stack_limit, "no stack limit", format!("limits/{name}"), case);
    }
}

/// A runtime that can't keep a limit says so.
fn refused_unless(suite: &mut Suite, capable: bool, name: &'static str, limits: Limits) {
    if capable {
        return;
    }
    suite.add(format!("limits/{name}_is_refused"), move |fixture| {
        let runtime = fixture.runtime();
        let error = runtime
            .create(&EngineOptions::with_limits(limits))
            .map(drop)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(
            error.to_string(),
            format!(
                "{} can't limit {name}: leave the limit out, or choose another runtime",
                runtime.name
            )
        );
    });
}

const MINUS_ONE: u64 = 0xffff_ffff;

fn memory_growth(fixture: Fixture) {
    let limits = Limits {
        // Rounded down to three pages.
        memory: Some(3 * 65536 + 100),
        ..Limits::default()
    };
    let mut guest = fixture.limits(limits).guest(
        r#"(module (memory (export "memory") 1)
            (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"#,
        &[],
        &[export("grow", &[I32], Some(I32))],
        no_host(),
    );
    for (delta, before) in [
        (3, MINUS_ONE),
        (2, 1),
        (0, 3),
        (1, MINUS_ONE),
        (65535, MINUS_ONE),
        (MINUS_ONE, MINUS_ONE),
        (0, 3),
    ] {
        assert_eq!(guest.call(FIRST, &[delta]).unwrap(), before, "grow by {delta}");
    }
    assert_eq!(guest.memory_size(), 3 * 65536);
}

/// What an engine needs for itself is not the guest's.
fn memory_of_none(fixture: Fixture) {
    let fixture = fixture.limits(Limits {
        memory: Some(100),
        ..Limits::default()
    });
    let wat = r#"(module (func (export "run") (result i32) (i32.const 7)))"#;
    let mut guest = fixture.guest(wat, &[], &[RUN], no_host());
    assert_eq!(guest.call(FIRST, &[]).unwrap(), 7);
}

fn memory_of_module(fixture: Fixture) {
    let fixture = fixture.limits(Limits {
        memory: Some(2 * 65536),
        ..Limits::default()
    });
    let mut guest = fixture.guest(r#"(module (memory (export "memory") 2))"#, &[], &[], no_host());
    assert_eq!(guest.memory_size(), 2 * 65536);
    let error = fixture
        .try_load("(module (memory 3))", &[], &[])
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(
        error.to_string(),
        "the module starts with a memory of 196608 bytes, and the limit is 131072: raise the limit"
    );
}

fn table_growth(fixture: Fixture) {
    let limits = Limits {
        table_elements: Some(10),
        ..Limits::default()
    };
    let mut guest = fixture.limits(limits).guest(
        r#"(module (table $t 4 funcref)
            (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0)))
            (func (export "size") (result i32) (table.size $t)))"#,
        &[],
        &[export("grow", &[I32], Some(I32)), export("size", &[], Some(I32))],
        no_host(),
    );
    for (delta, before) in [
        (7, MINUS_ONE),
        (6, 4),
        (1, MINUS_ONE),
        (MINUS_ONE, MINUS_ONE),
        (0, 10),
    ] {
        assert_eq!(guest.call(FIRST, &[delta]).unwrap(), before, "grow by {delta}");
    }
    assert_eq!(guest.call(SECOND, &[]).unwrap(), 10);
}

fn table_of_module(fixture: Fixture) {
    let fixture = fixture.limits(Limits {
        table_elements: Some(10),
        ..Limits::default()
    });
    fixture.guest("(module (table 10 funcref))", &[], &[], no_host());
    let error = fixture
        .try_load("(module (table 11 funcref))", &[], &[])
        .map(drop)
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::LimitExceeded);
    assert_eq!(
        error.to_string(),
        "the module starts with a table of 11 elements, and the limit is 10: raise the limit"
    );
}

fn time_limited(fixture: Fixture, millis: u64) -> Fixture {
    fixture.limits(Limits {
        call_time: Some(Duration::from_millis(millis)),
        ..Limits::default()
    })
}

/// `run` counts up for as long as it may, or to its argument.
const COUNTS: &str = r#"(module
    (func (export "forever") (loop $l (br $l)))
    (func (export "count") (param i32) (result i32) (local $i i32)
        (loop $l
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (local.get 0))))
        (local.get $i)))"#;

const FOREVER: enginebay_engine::Export = export("forever", &[], None);
const COUNT: enginebay_engine::Export = export("count", &[I32], Some(I32));

fn endless_loop(fixture: Fixture) {
    let mut guest = time_limited(fixture, 50).guest(COUNTS, &[], &[FOREVER], no_host());
    let trap = guest.call(FIRST, &[]).unwrap_err();
    assert_kind(&trap, TrapKind::Interrupted);
    assert_eq!(trap.message(), "the call took longer than 50ms");
}

fn called_again(fixture: Fixture) {
    let mut guest = time_limited(fixture, 50).guest(COUNTS, &[], &[FOREVER, COUNT], no_host());
    for _ in 0..2 {
        assert_kind(&guest.call(FIRST, &[]).unwrap_err(), TrapKind::Interrupted);
        assert_eq!(guest.call(SECOND, &[1000]).unwrap(), 1000);
    }
}

fn endless_host_calls(fixture: Fixture) {
    let mut guest = time_limited(fixture, 50).guest(
        r#"(module (import "env" "f" (func $f)) (func (export "forever") (loop $l (call $f) (br $l))))"#,
        &[import("f", &[], None)],
        &[FOREVER],
        host(|_, _, _| Ok(0)),
    );
    assert_kind(&guest.call(FIRST, &[]).unwrap_err(), TrapKind::Interrupted);
}

/// A host function that takes its time must not stretch a limit that is counted in instructions.
fn slow_host_calls(fixture: Fixture) {
    let mut guest = time_limited(fixture, 50).guest(
        r#"(module (import "env" "f" (func $f)) (func (export "forever") (loop $l (call $f) (br $l))))"#,
        &[import("f", &[], None)],
        &[FOREVER],
        host(|_, _, _| {
            std::thread::sleep(Duration::from_millis(1));
            Ok(0)
        }),
    );
    let start = Instant::now();
    assert_kind(&guest.call(FIRST, &[]).unwrap_err(), TrapKind::Interrupted);
    assert!(start.elapsed() < Duration::from_secs(30));
}

const NESTS: &str = r#"(module (import "env" "f" (func $f))
    (func (export "run") (result i32) (call $f) (loop $l (br $l)) (i32.const 1))
    (func (export "forever") (loop $l (br $l))))"#;

fn endless_nested_loop(fixture: Fixture) {
    let mut guest = time_limited(fixture, 50).guest(
        NESTS,
        &[import("f", &[], None)],
        &[RUN, FOREVER],
        host(|_, guest, _| Ok(guest.call(SECOND, &[])?)),
    );
    assert_kind(&guest.call(FIRST, &[]).unwrap_err(), TrapKind::Interrupted);
}

fn swallowed_interruption(fixture: Fixture) {
    let mut guest = time_limited(fixture, 50).guest(
        NESTS,
        &[import("f", &[], None)],
        &[RUN, FOREVER],
        host(|_, guest, _| {
            assert_kind(&guest.call(SECOND, &[]).unwrap_err(), TrapKind::Interrupted);
            Ok(0)
        }),
    );
    assert_kind(&guest.call(FIRST, &[]).unwrap_err(), TrapKind::Interrupted);
}

fn endless_start(fixture: Fixture) {
    let module = time_limited(fixture, 50).load(
        "(module (func $start (loop $l (br $l))) (start $start))",
        &[],
        &[],
    );
    let error = module.instantiate(no_host()).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Instantiate);
    assert_kind(error.trap().expect("a trap"), TrapKind::Interrupted);
}

fn each_call_has_its_own(fixture: Fixture) {
    let mut guest = time_limited(fixture, 300).guest(COUNTS, &[], &[COUNT], no_host());
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(700) {
        assert_eq!(guest.call(FIRST, &[10_000]).unwrap(), 10_000);
    }
}

/// Works for much longer than an engine's unit of time, with every kind of value alive.
fn long_call(fixture: Fixture) {
    let mut guest = time_limited(fixture, 600_000).guest(
        r#"(module (import "env" "f" (func $f (param i32) (result i32)))
            (memory (export "memory") 1)
            (func (export "next") (param i32) (result i32) (local $i i32)
                (loop $l
                    (local.set $i (i32.add (local.get $i) (i32.const 1)))
                    (br_if $l (i32.lt_u (local.get $i) (i32.const 1000))))
                (i32.add (local.get 0) (i32.const 1)))
            (func (export "run") (param i32) (result i64)
                (local $i i32) (local $sum i64) (local $float f64) (local $single f32)
                (loop $l
                    (local.set $i (call $f (local.get $i)))
                    (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (local.get $i))))
                    (local.set $float (f64.add (local.get $float) (f64.const 0.5)))
                    (local.set $single (f32.sub (f32.const 1) (local.get $single)))
                    (if (i32.eqz (i32.rem_u (local.get $i) (i32.const 256)))
                        (then (if (i32.eq (memory.grow (i32.const 1)) (i32.const -1)) (then unreachable))))
                    (memory.fill (i32.const 0) (local.get $i) (i32.const 60000))
                    (if (i32.ne (i32.load8_u (i32.const 59999)) (i32.and (local.get $i) (i32.const 255)))
                        (then unreachable))
                    (br_if $l (i32.lt_u (local.get $i) (local.get 0))))
                (i64.add (local.get $sum)
                    (i64.add (i64.trunc_f64_s (local.get $float)) (i64.trunc_f32_s (local.get $single))))))"#,
        &[import("f", &[I32], Some(I32))],
        &[
            export("run", &[I32], Some(I64)),
            export("next", &[I32], Some(I32)),
        ],
        host(|_, guest, args| Ok(guest.call(SECOND, args)?)),
    );
    let n = 4001;
    assert_eq!(guest.call(FIRST, &[n]).unwrap(), n * (n + 1) / 2 + n / 2 + 1);
    assert_eq!(guest.memory_size(), (1 + n / 256) * 65536);
}

fn no_time_limit(fixture: Fixture) {
    let limits = Limits {
        call_time: Some(Duration::MAX),
        ..Limits::default()
    };
    let mut guest = fixture.limits(limits).guest(COUNTS, &[], &[COUNT], no_host());
    assert_eq!(guest.call(FIRST, &[5_000_000]).unwrap(), 5_000_000);
}

/// `run` calls itself down to a depth, counting in a global how deep it got.
const RECURSES: &str = r#"(module (global $depth (mut i32) (i32.const 0))
    (func $down (export "down") (param i32) (result i32)
        (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
        (if (result i32) (i32.eqz (local.get 0))
            (then (i32.const 0))
            (else (i32.add (call $down (i32.sub (local.get 0) (i32.const 1))) (i32.const 1)))))
    (func (export "depth") (result i32) (global.get $depth)))"#;

fn stack_limited(fixture: Fixture, bytes: usize) -> Box<dyn enginebay_engine::Instance> {
    let limits = Limits {
        stack: Some(bytes),
        ..Limits::default()
    };
    fixture.limits(limits).guest(
        RECURSES,
        &[],
        &[export("down", &[I32], Some(I32)), export("depth", &[], Some(I32))],
        no_host(),
    )
}

fn endless_recursion(fixture: Fixture) {
    let mut guest = stack_limited(fixture, Limits::DEFAULT_STACK);
    assert_kind(
        &guest.call(FIRST, &[MINUS_ONE]).unwrap_err(),
        TrapKind::StackOverflow,
    );
    assert_eq!(guest.call(FIRST, &[10]).unwrap(), 10);
}

fn real_depth(fixture: Fixture) {
    let mut guest = stack_limited(fixture, Limits::DEFAULT_STACK);
    for _ in 0..2 {
        assert_eq!(guest.call(FIRST, &[5000]).unwrap(), 5000);
    }
}

fn depth_follows_the_limit(fixture: Fixture) {
    let depth = |bytes| {
        let mut guest = stack_limited(fixture.another(), bytes);
        assert_kind(
            &guest.call(FIRST, &[MINUS_ONE]).unwrap_err(),
            TrapKind::StackOverflow,
        );
        guest.call(SECOND, &[]).unwrap()
    };
    let (small, large) = (depth(64 << 10), depth(512 << 10));
    assert!(small * 4 < large, "{small} and {large}");
}
