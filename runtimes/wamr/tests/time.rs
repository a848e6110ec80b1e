//! The time limit, where calls end while they are being interrupted.

use std::rc::Rc;
use std::time::{Duration, Instant};

use enginebay_engine::{
    EngineOptions, Export, ExportId, Guest, Host, HostError, HostFunction, Instance, Limits, LoadRequest,
    Signature, TrapKind, ValType,
};
use enginebay_runtime_wamr::RUNTIME;

const I32: ValType = ValType::I32;

const WAT: &str = r#"(module (import "env" "f" (func $f (result i32)))
    (func $count (export "count") (param i32) (result i32) (local $i i32)
        (loop $l
            (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $l (i32.lt_u (local.get $i) (local.get 0))))
        (local.get $i))
    (func (export "ask") (result i32) (call $f)))"#;

const COUNT: ExportId = ExportId(0);
const ASK: ExportId = ExportId(1);

/// Calls `count` until it is interrupted, and goes on.
struct Swallows;

impl Host for Swallows {
    fn call(&self, _: usize, guest: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
        let trap = guest.call(COUNT, &[u64::from(u32::MAX)]).unwrap_err();
        assert_eq!(trap.kind(), TrapKind::Interrupted);
        Ok(guest.call(COUNT, &[1]).unwrap_or(1))
    }
}

fn guest(limit: Duration) -> Box<dyn Instance> {
    let limits = Limits {
        call_time: Some(limit),
        ..Limits::default()
    };
    let engine = RUNTIME.create(&EngineOptions::with_limits(limits)).unwrap();
    let code = wat::parse_str(WAT).unwrap();
    let imports = [HostFunction {
        module: "env",
        name: "f",
        signature: Signature::new(&[], Some(I32)),
    }];
    let exports = [
        Export {
            name: "count",
            signature: Signature::new(&[I32], Some(I32)),
        },
        Export {
            name: "ask",
            signature: Signature::new(&[], Some(I32)),
        },
    ];
    let module = engine.load(&LoadRequest::new(&code, &imports, &exports)).unwrap();
    module.instantiate(Rc::new(Swallows)).unwrap()
}

/// Calls an export, and says whether it was interrupted. That must not happen before its time, but may happen to any
/// call: the machine may have other things to do for longer than the limit.
fn interrupted(guest: &mut dyn Instance, limit: Duration, export: ExportId, args: &[u64]) -> bool {
    let start = Instant::now();
    match guest.call(export, args) {
        Ok(_) => false,
        Err(trap) => {
            assert_eq!(trap.kind(), TrapKind::Interrupted, "{trap}");
            assert!(start.elapsed() >= limit, "after {:?}", start.elapsed());
            true
        }
    }
}

const SHORT: Duration = Duration::from_millis(3);

#[test]
fn an_interruption_never_reaches_the_next_call() {
    let mut guest = guest(SHORT);
    let mut length: u64 = 1000;
    let (mut ends, mut stops) = (0, 0);
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) || ends == 0 || stops == 0 {
        // Ever closer to the limit from both sides, so that calls end at the moment they are interrupted.
        if interrupted(&mut *guest, SHORT, COUNT, &[length]) {
            stops += 1;
            length -= length / 16;
        } else {
            ends += 1;
            length += length / 16;
        }
        interrupted(&mut *guest, SHORT, COUNT, &[3]);
    }
}

#[test]
fn a_host_function_may_go_on_after_an_interruption() {
    let mut guest = guest(SHORT);
    for _ in 0..50 {
        // The outer call is late too, but may come to its end before it is interrupted once more.
        interrupted(&mut *guest, SHORT, ASK, &[]);
        interrupted(&mut *guest, SHORT, COUNT, &[3]);
    }
}

#[test]
fn instances_come_and_go_while_others_are_interrupted() {
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..30 {
                    let mut late = guest(SHORT);
                    assert!(interrupted(&mut *late, SHORT, COUNT, &[u64::from(u32::MAX)]));
                    drop(late);
                    assert_eq!(guest(Duration::from_secs(60)).call(COUNT, &[3]).unwrap(), 3);
                }
            });
        }
    });
}
