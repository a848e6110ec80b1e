//! Modules that WAMR by itself would link, run or size in its own way.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{
    EngineOptions, Error, ErrorKind, Export, ExportId, Guest, Host, HostError, HostFunction, Instance,
    LoadRequest, Module, Signature, TrapKind, ValType,
};
use enginebay_runtime_wamr::RUNTIME;

const I32: ValType = ValType::I32;

const fn import(module: &'static str, name: &'static str) -> HostFunction {
    HostFunction {
        module,
        name,
        signature: Signature::new(&[], Some(I32)),
    }
}

const fn export(name: &'static str) -> Export {
    Export {
        name,
        signature: Signature::new(&[], Some(I32)),
    }
}

/// Answers each call with the number of the function.
struct Numbers;

impl Host for Numbers {
    fn call(&self, function: usize, _: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
        Ok(function as u64 + 1)
    }
}

fn load(wat: &str, imports: &[HostFunction], exports: &[Export]) -> Result<Arc<dyn Module>, Error> {
    let code = wat::parse_str(wat).unwrap();
    let engine = RUNTIME.create(&EngineOptions::default()).unwrap();
    engine.load(&LoadRequest::new(&code, imports, exports))
}

fn guest(wat: &str, imports: &[HostFunction], exports: &[Export]) -> Box<dyn Instance> {
    load(wat, imports, exports)
        .unwrap()
        .instantiate(Rc::new(Numbers))
        .unwrap()
}

fn call(guest: &mut dyn Instance, export: u16) -> u64 {
    guest.call(ExportId(export), &[]).unwrap()
}

#[test]
fn names_that_differ_by_an_underscore_are_told_apart() {
    let offered = [
        import("env", "__x"),
        import("env", "_x"),
        import("env", "x"),
        import("other", "_x"),
        import("other", "x"),
    ];
    let all = r#"(module
        (import "other" "_x" (func $e (result i32))) (import "env" "x" (func $a (result i32)))
        (import "env" "__x" (func $d (result i32))) (import "env" "_x" (func $b (result i32)))
        (import "other" "x" (func $c (result i32)))
        (func (export "run") (result i32)
            (call $a) (i32.mul (i32.const 10)) (i32.add (call $b))
            (i32.mul (i32.const 10)) (i32.add (call $c)) (i32.mul (i32.const 10)) (i32.add (call $d))
            (i32.mul (i32.const 10)) (i32.add (call $e))))"#;
    // The other modules stay alive meanwhile.
    let mut all = guest(all, &offered, &[export("run")]);
    let mut alone: Vec<_> = offered
        .iter()
        .map(|function| {
            let wat = format!(
                r#"(module (import "{}" "{}" (func $f (result i32)))
                    (func (export "run") (result i32) (call $f)))"#,
                function.module, function.name
            );
            guest(&wat, &offered, &[export("run")])
        })
        .collect();
    assert_eq!(call(&mut *all, 0), 32514);
    for (number, guest) in (1..).zip(&mut alone) {
        assert_eq!(call(&mut **guest, 0), number);
    }
}

#[test]
fn of_two_offers_of_one_name_the_first_is_taken() {
    let offered = [import("env", "f"), import("env", "f")];
    let wat = r#"(module (import "env" "f" (func $f (result i32)))
        (func (export "run") (result i32) (call $f)))"#;
    assert_eq!(call(&mut *guest(wat, &offered, &[export("run")]), 0), 1);
}

#[test]
fn an_import_can_be_exported() {
    let wat = r#"(module (import "env" "f" (func $f (result i32))) (export "run" (func $f)))"#;
    let mut guest = guest(wat, &[import("env", "f")], &[export("run")]);
    assert_eq!(call(&mut *guest, 0), 1);
}

/// What a linker exports, with a stack that begins at 70,000 and a heap from there on.
const LINKED: &str = r#"(module (memory (export "memory") 2)
    (global $sp (mut i32) (i32.const 70000))
    (global (export "__data_end") i32 (i32.const 1000))
    (global (export "__heap_base") i32 (i32.const 70000))
    (global $calls (mut i32) (i32.const 0))
    (func $count (global.set $calls (i32.add (global.get $calls) (i32.const 1))))
    (func (export "__wasm_call_ctors") (call $count))
    (func (export "__post_instantiate") (call $count))
    (func (export "_initialize") (call $count))
    (func (export "malloc") (param i32) (result i32) unreachable)
    (func (export "free") (param i32) unreachable)
    (func (export "calls") (result i32) (global.get $calls))
    (func (export "stack") (result i32)
        (global.set $sp (i32.const 1100)) (i32.load (global.get $sp)))
    (func (export "heap") (result i32) (i32.load (i32.const 131068))))"#;

#[test]
fn exports_mean_to_wamr_what_they_mean_to_others() {
    let mut guest = guest(LINKED, &[], &[export("calls"), export("stack"), export("heap")]);
    assert_eq!(call(&mut *guest, 0), 0, "nothing runs by itself");
    assert_eq!(call(&mut *guest, 1), 0, "the whole stack can be used");
    assert_eq!(
        call(&mut *guest, 2),
        0,
        "memory does not end where the heap begins"
    );
    assert_eq!(guest.memory_size(), 2 * 65536);
}

#[test]
fn a_function_that_is_only_declared_by_its_export_can_be_referred_to() {
    let wat = r#"(module (table 1 funcref) (func $f (export "malloc") (result i32) (i32.const 7))
        (func (export "run") (result i32)
            (table.set (i32.const 0) (ref.func $f)) (call_indirect (result i32) (i32.const 0))))"#;
    assert_eq!(call(&mut *guest(wat, &[], &[export("run")]), 0), 7);
}

#[test]
fn tables_grow_to_what_the_documentation_says() {
    for (initial, possible) in [(0, 1024), (4, 1024), (600, 1200)] {
        let wat = format!(
            r#"(module (table $t {initial} funcref)
                (func (export "too_far") (result i32)
                    (table.grow $t (ref.null func) (i32.const {})))
                (func (export "far") (result i32)
                    (table.grow $t (ref.null func) (i32.const {}))))"#,
            possible - initial + 1,
            possible - initial
        );
        let mut guest = guest(&wat, &[], &[export("too_far"), export("far")]);
        assert_eq!(call(&mut *guest, 0), 0xffff_ffff);
        assert_eq!(call(&mut *guest, 1), initial);
    }
}

#[test]
fn what_wamr_lacks_or_gets_wrong_is_refused() {
    for wat in [
        "(module (memory 1) (memory 1))",
        "(module (memory i64 1))",
        "(module (memory 1 1 shared))",
        "(module (tag))",
        "(module (func (result v128) (v128.const i32x4 1 2 3 4)))",
        "(module (type (struct)))",
        "(module (table i64 1 funcref))",
        "(module (type $t (func)) (func (param (ref $t))))",
        "(module (func $f (return_call $f)))",
        "(module (table 1 funcref) (func (return_call_indirect (i32.const 0))))",
        "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))",
        "(module (memory 1) (func (drop (i32.atomic.load (i32.const 0)))))",
    ] {
        let error = load(wat, &[], &[]).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidModule, "{wat}: {error}");
        let start = "Failed to parse corrupted Wasm module: ";
        assert!(error.to_string().starts_with(start), "{wat}: {error}");
    }
}

const RECURSES: &str = r#"(module (import "env" "f" (func $f (result i32)))
    (func (export "run") (result i32) (call $f)))"#;

/// Calls back for ever.
struct Again;

impl Host for Again {
    fn call(&self, _: usize, guest: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
        Ok(guest.call(ExportId(0), &[])?)
    }
}

#[test]
fn recursion_through_the_host_stops_on_small_stacks_too() {
    let module = load(RECURSES, &[import("env", "f")], &[export("run")]).unwrap();
    for kib in [256, 512, 2048, 16384] {
        let module = module.clone();
        std::thread::Builder::new()
            .stack_size(kib << 10)
            .spawn(move || {
                let mut guest = module.instantiate(Rc::new(Again)).unwrap();
                for _ in 0..2 {
                    let trap = guest.call(ExportId(0), &[]).unwrap_err();
                    assert_eq!(trap.kind(), TrapKind::StackOverflow, "{trap}");
                }
            })
            .unwrap()
            .join()
            .unwrap();
    }
}

thread_local! {
    static KEPT: RefCell<Option<Box<dyn Instance>>> = const { RefCell::new(None) };
}

/// Runs its guest when its thread ends.
struct Last;

impl Drop for Last {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = KEPT.try_with(|kept| {
            if let Some(guest) = &mut *kept.borrow_mut() {
                assert_eq!(call(&mut **guest, 0), 1);
            }
        });
    }
}

thread_local! {
    static LAST: Last = const { Last };
}

#[test]
fn instances_may_outlive_the_code_of_their_thread() {
    let module = load(RECURSES, &[import("env", "f")], &[export("run")]).unwrap();
    for last_first in [false, true] {
        let module = module.clone();
        std::thread::spawn(move || {
            if last_first {
                LAST.with(|_| ());
            }
            // Before the crate has anything of its own for this thread.
            KEPT.with(|_| ());
            let mut guest = module.instantiate(Rc::new(Numbers)).unwrap();
            assert_eq!(call(&mut *guest, 0), 1);
            KEPT.with(|kept| *kept.borrow_mut() = Some(guest));
            LAST.with(|_| ());
        })
        .join()
        .unwrap();
    }
}

#[test]
fn names_with_a_zero_byte_are_refused() {
    let wat = r#"(module (import "env" "a\00b" (func (result i32))))"#;
    let error = load(wat, &[import("env", "a\0b")], &[]).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Compile);
    // An import by the part before it is not the same.
    let error = load(wat, &[import("env", "a")], &[]).map(drop).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingImport);
}
