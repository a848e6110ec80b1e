//! Nothing is left behind by modules and instances that are gone.
#![cfg(target_os = "linux")]

use std::rc::Rc;

use enginebay_engine::{
    EngineOptions, Export, ExportId, Guest, Host, HostError, HostFunction, LoadRequest, Module, Signature,
    ValType,
};
use enginebay_runtime_wamr::RUNTIME;

/// Fails every second call.
struct Sometimes(std::cell::Cell<bool>);

impl Host for Sometimes {
    fn call(&self, _: usize, _: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
        self.0.set(!self.0.get());
        match self.0.get() {
            true => Ok(1),
            false => Err(HostError::exit(1)),
        }
    }
}

fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn assert_flat(what: &str, rounds: u32, mut round: impl FnMut()) {
    // Allocators take their time to reach their size.
    for _ in 0..rounds / 4 {
        round();
    }
    let before = resident_kib();
    for _ in 0..rounds {
        round();
    }
    let grown = resident_kib().saturating_sub(before);
    // Less than a tenth of the smallest thing that could be left behind in each round.
    assert!(grown < 4096, "{what}: {grown} KiB more after {rounds} rounds");
}

fn use_once(module: &dyn Module) {
    let mut guest = module.instantiate(Rc::new(Sometimes(false.into()))).unwrap();
    for fails in [false, true] {
        assert_eq!(guest.call(ExportId(0), &[]).is_err(), fails);
    }
}

#[test]
fn memory_stays_what_it_is() {
    // Enough code to be seen if it is left behind.
    let functions =
        "(func (param i32) (result i32) (i32.add (i32.mul (local.get 0) (i32.const 1000)) (i32.const 7)))"
            .repeat(200);
    let text = format!(
        r#"(module (import "env" "f" (func $f (result i32))) (memory (export "memory") 1)
            (table 100 funcref) (global (mut i64) (i64.const 7)) (func $start) (start $start)
            (func (export "run") (result i32)
                (drop (memory.grow (i32.const 1))) (i32.store8 (i32.const 70000) (i32.const 1)) (call $f))
            {functions} (data (i32.const 0) "{}"))"#,
        "data".repeat(20_000 / 4)
    );
    let code = wat::parse_str(text).unwrap();
    let imports = [HostFunction {
        module: "env",
        name: "f",
        signature: Signature::new(&[], Some(ValType::I32)),
    }];
    let exports = [Export {
        name: "run",
        signature: Signature::new(&[], Some(ValType::I32)),
    }];
    let request = LoadRequest::new(&code, &imports, &exports);
    let engine = RUNTIME.create(&EngineOptions::default()).unwrap();

    assert_flat("modules", 2000, || use_once(&*engine.load(&request).unwrap()));
    let module = engine.load(&request).unwrap();
    assert_flat("instances", 2000, || use_once(&*module));

    // Broken in a way that only the loading of data finds out, and in a start function.
    let failing = wat::parse_str(r#"(module (memory 1) (data (i32.const 65536) "a"))"#).unwrap();
    let failing = engine.load(&LoadRequest::new(&failing, &[], &[])).unwrap();
    let trapping = wat::parse_str("(module (func $f unreachable) (start $f))").unwrap();
    let trapping = engine.load(&LoadRequest::new(&trapping, &[], &[])).unwrap();
    assert_flat("instances that fail", 2000, || {
        for module in [&failing, &trapping] {
            assert!(module.instantiate(Rc::new(Sometimes(false.into()))).is_err());
        }
    });
    assert_flat("engines", 200, || {
        let engine = RUNTIME.create(&EngineOptions::default()).unwrap();
        use_once(&*engine.load(&request).unwrap());
    });
}
