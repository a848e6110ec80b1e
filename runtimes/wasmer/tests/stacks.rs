//! Stacks of more than one size, in one process and on one thread.

use std::rc::Rc;

use enginebay_engine::{
    EngineOptions, ErrorKind, Export, ExportId, Guest, Host, HostError, Instance, Limits, LoadRequest,
    Signature, TrapKind, ValType,
};
use enginebay_runtime_wasmer::RUNTIME;

struct Nobody;

impl Host for Nobody {
    fn call(&self, _: usize, _: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
        Err(HostError::other("there are no host functions"))
    }
}

const WANTED: &[Export] = &[
    Export {
        name: "down",
        signature: Signature::new(&[], None),
    },
    Export {
        name: "depth",
        signature: Signature::new(&[], Some(ValType::I32)),
    },
];

fn options(stack: usize) -> EngineOptions {
    EngineOptions::with_limits(Limits {
        stack: Some(stack),
        ..Limits::default()
    })
}

fn guest(stack: usize) -> Box<dyn Instance> {
    let code = wat::parse_str(
        r#"(module (global $depth (mut i32) (i32.const 0))
            (func $down (export "down")
                (global.set $depth (i32.add (global.get $depth) (i32.const 1)))
                (call $down)
                (global.set $depth (i32.add (global.get $depth) (i32.const 0))))
            (func (export "depth") (result i32)
                (global.get $depth) (global.set $depth (i32.const 0))))"#,
    )
    .unwrap();
    let engine = RUNTIME.create(&options(stack)).unwrap();
    let module = engine.load(&LoadRequest::new(&code, &[], WANTED)).unwrap();
    module.instantiate(Rc::new(Nobody)).unwrap()
}

fn depth(guest: &mut dyn Instance) -> u64 {
    let trap = guest.call(ExportId(0), &[]).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::StackOverflow, "{trap:?}");
    guest.call(ExportId(1), &[]).unwrap()
}

#[test]
fn guests_with_different_limits_take_turns() {
    let mut small = guest(64 << 10);
    let mut large = guest(2 << 20);
    let (few, many) = (depth(&mut *small), depth(&mut *large));
    assert!(few * 16 < many, "{few} and {many}");
    for _ in 0..3 {
        assert_eq!(depth(&mut *small), few);
        assert_eq!(depth(&mut *large), many);
    }
}

#[test]
fn a_stack_that_wasmer_does_not_make_is_refused() {
    let error = RUNTIME.create(&options(usize::MAX)).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "envoy.wasm.runtime.wasmer can't give a guest a stack of 18446744073709551615 bytes: the largest is \
         104857600 bytes"
    );
    assert!(RUNTIME.create(&options(100 << 20)).is_ok());
}
