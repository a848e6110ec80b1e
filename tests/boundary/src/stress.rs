//! Many threads that load, run and drop modules with imports of their own.
//!
//! It takes a second, or as many as `ENGINEBAY_STRESS_SECONDS` says.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use enginebay_engine::{
    Engine, Export, ExportId, Guest, Host, HostError, HostFunction, Instance, LoadRequest, Module, Signature,
    TrapKind,
};

use crate::fixture::{Fixture, I32};
use crate::suite::Suite;

pub(crate) fn add(suite: &mut Suite) {
    suite.add(
        "stress/threads_do_not_get_each_others_functions",
        threads_do_not_get_each_others_functions,
    );
}

const NAMES: [&str; 6] = ["x", "_x", "__x", "y", "_y", "z"];
const MODULES: [&str; 3] = ["env", "_env", "wasi_snapshot_preview1"];

/// Answers with a number of its own and that of the function.
struct Answers(u64);

impl Host for Answers {
    fn call(&self, function: usize, _: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError> {
        if args[0] == 1 {
            return Err(HostError::exit(3));
        }
        Ok(self.0 * 100 + function as u64)
    }
}

/// A place in which every thread and round gets another order.
fn shuffled(mut seed: u64) -> Vec<HostFunction> {
    let mut offered: Vec<HostFunction> = MODULES
        .iter()
        .flat_map(|module| {
            NAMES.iter().map(|name| HostFunction {
                module,
                name,
                signature: Signature::new(&[I32], Some(I32)),
            })
        })
        .collect();
    for place in (1..offered.len()).rev() {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let other = usize::try_from((seed >> 33) % (place as u64 + 1)).unwrap();
        offered.swap(place, other);
    }
    offered
}

/// A module that imports some of the functions, and exports a call of each as `r0`, `r1` and so on.
fn module(engine: &dyn Engine, offered: &[HostFunction], used: &[usize]) -> Arc<dyn Module> {
    const RUNS: [&str; 4] = ["r0", "r1", "r2", "r3"];
    let imports: String = used
        .iter()
        .map(|place| {
            let HostFunction { module, name, .. } = offered[*place];
            format!(r#"(import "{module}" "{name}" (func (param i32) (result i32)))"#)
        })
        .collect();
    let functions: String = (0..used.len())
        .map(|number| {
            format!(r#"(func (export "r{number}") (param i32) (result i32) (call {number} (local.get 0)))"#)
        })
        .collect();
    let code = wat::parse_str(format!(
        r#"(module {imports} {functions} (memory (export "memory") 1) (data (i32.const 0) "{}"))"#,
        "data".repeat(100)
    ))
    .unwrap();
    let exports: Vec<Export> = RUNS[..used.len()]
        .iter()
        .map(|name| Export {
            name,
            signature: Signature::new(&[I32], Some(I32)),
        })
        .collect();
    engine.load(&LoadRequest::new(&code, offered, &exports)).unwrap()
}

fn check(instance: &mut dyn Instance, used: &[usize], number: u64) {
    for (export, place) in (0..).zip(used) {
        let answer = instance.call(ExportId(export), &[0]).unwrap();
        assert_eq!(answer, number * 100 + *place as u64);
    }
    let trap = instance.call(ExportId(0), &[1]).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::Exit(3));
}

fn threads_do_not_get_each_others_functions(fixture: Fixture) {
    let seconds = std::env::var("ENGINEBAY_STRESS_SECONDS")
        .ok()
        .and_then(|seconds| seconds.parse().ok())
        .unwrap_or(1);
    let end = Instant::now() + Duration::from_secs(seconds);
    // Each thread has three or four at once.
    let engine = fixture.max_instances(40).engine();
    let shared_used = [3, 1, 4];
    let shared_offer = shuffled(5);
    let shared = module(&*engine, &shared_offer, &shared_used);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let (engine, shared) = (&engine, &shared);
            scope.spawn(move || {
                let mut round = 0;
                let mut kept: Option<(Box<dyn Instance>, [usize; 4], u64)> = None;
                while Instant::now() < end {
                    round += 1;
                    let number = thread * 1_000_000 + round;
                    let offered = shuffled(number);
                    let first = usize::try_from(number % 15).unwrap();
                    let used = [first + 3, first, first + 2, first + 1];
                    let module = module(&**engine, &offered, &used);
                    let mut one = module.instantiate(Rc::new(Answers(number))).unwrap();
                    let mut two = module.instantiate(Rc::new(Answers(number + 1))).unwrap();
                    check(&mut *one, &used, number);
                    check(&mut *two, &used, number + 1);
                    check(
                        &mut *shared.instantiate(Rc::new(Answers(thread))).unwrap(),
                        &shared_used,
                        thread,
                    );
                    check(&mut *one, &used, number);
                    // One of the last round, whose module is otherwise gone.
                    if let Some((instance, used, number)) = &mut kept {
                        check(&mut **instance, used, *number);
                    }
                    kept = Some((two, used, number + 1));
                }
                assert!(round > 0);
            });
        }
    });
}
