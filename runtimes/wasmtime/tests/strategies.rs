//! Instances from the pool, beyond it, and beside it.

use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{
    Engine, EngineOptions, ErrorKind, Guest, Host, HostError, Limits, LoadRequest, Module, ResolvedLimits,
};
use enginebay_runtime_wasmtime::RUNTIME;

struct Nobody;

impl Host for Nobody {
    fn call(&self, _: usize, _: &mut dyn Guest, _: &[u64]) -> Result<u64, HostError> {
        Err(HostError::other("there are no host functions"))
    }
}

fn engine(max_instances: u32) -> Arc<dyn Engine> {
    let mut options = EngineOptions::with_limits(Limits::default());
    options.max_instances = max_instances;
    RUNTIME.create(&options).unwrap()
}

fn load(engine: &dyn Engine, wat: &str) -> Arc<dyn Module> {
    let code = wat::parse_str(wat).unwrap();
    engine.load(&LoadRequest::new(&code, &[], &[])).unwrap()
}

#[test]
fn a_pool_that_is_used_up_says_how_to_make_it_larger_and_is_used_again() {
    let engine = engine(2);
    let module = load(&*engine, r#"(module (memory (export "memory") 1))"#);
    let first = module.instantiate(Rc::new(Nobody)).unwrap();
    let _second = module.instantiate(Rc::new(Nobody)).unwrap();
    let error = module.instantiate(Rc::new(Nobody)).err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Instantiate);
    assert!(
        error.to_string().contains("EngineOptions::max_instances"),
        "{error}"
    );
    drop(first);
    assert!(module.instantiate(Rc::new(Nobody)).is_ok());
}

#[test]
fn a_module_with_two_tables_runs_beside_the_pool() {
    let engine = engine(1);
    let module = load(
        &*engine,
        r#"(module (memory (export "memory") 1) (table 1 funcref) (table 2 funcref))"#,
    );
    let instances: Vec<_> = (0..3)
        .map(|_| module.instantiate(Rc::new(Nobody)).unwrap())
        .collect();
    assert_eq!(instances.len(), 3);
}

#[test]
fn the_default_limits_are_all_kept() {
    let limits: ResolvedLimits = *engine(1).limits();
    assert_eq!(limits.memory, Some(Limits::DEFAULT_MEMORY));
    assert_eq!(limits.table_elements, Some(Limits::DEFAULT_TABLE_ELEMENTS));
    assert_eq!(limits.call_time, Some(Limits::DEFAULT_CALL_TIME));
    assert_eq!(limits.stack, Some(Limits::DEFAULT_STACK));
}

#[test]
fn a_stack_that_is_too_large_is_refused_with_the_largest() {
    let with_stack = |stack| {
        let options = EngineOptions::with_limits(Limits {
            stack: Some(stack),
            ..Limits::default()
        });
        RUNTIME.create(&options).map(drop)
    };
    assert!(with_stack(2 << 20).is_ok());
    let error = with_stack((2 << 20) + 1).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert_eq!(
        error.to_string(),
        "envoy.wasm.runtime.wasmtime can't give a guest a stack of 2097153 bytes: the largest is 2097152 bytes"
    );
}
