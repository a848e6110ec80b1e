//! The life of a VM: loading its code, compiled from bytecode (cold) and from code compiled ahead (warm), for a small and
//! a large module; a new VM of what is loaded, before `proxy_on_vm_start`; and what memory each of many VMs takes.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use enginebay::engine::{Engine, Precompiled};
use enginebay::host::{LoadOptions, Program};
use enginebay::{Vm, VmConfig};
use enginebay_bench::bare::ENGINES;
use enginebay_bench::guests::HEADER_FILTER;
use enginebay_bench::stream::{Silent, engine_for};
use enginebay_bench::{figure, memory};
use xtask::bench::sizes::LARGE;

/// How many VMs live at once when memory is measured.
const VMS: u32 = 1000;

/// So many VMs live until they are all dropped, outside of what is measured.
const BATCH: u64 = 64;

type Config = Arc<VmConfig>;

fn vm(program: &Arc<Program>, config: &Config) -> Vm<()> {
    Vm::new(program, config, Rc::new(Silent)).expect("there is room for another")
}

fn load(engine: &dyn Engine, code: &[u8], options: &LoadOptions) -> Arc<Program> {
    Arc::new(Program::load_with(engine, code, options.clone()).expect("the plugin loads"))
}

fn lives(c: &mut Criterion) {
    let large = xtask::enlarge::enlarge(HEADER_FILTER.module, LARGE).expect("a module");
    let cold = LoadOptions::default();
    let warm = cold.clone().with_precompiled(true);
    let config = Config::default();
    for (runtime, _) in ENGINES {
        let engine = &*engine_for(runtime, VMS + 24);
        let modules = [("small", HEADER_FILTER.module), ("large", &large[..])];
        // A native plugin has one size.
        let native = [("small", HEADER_FILTER.name.as_bytes())];
        let modules = if engine.native() { &native[..] } else { &modules };
        for (size, code) in modules {
            let mut group = c.benchmark_group(format!("life_{size}/{runtime}"));
            if !engine.native() {
                group.bench_function("cold", |b| {
                    b.iter_with_large_drop(|| load(engine, code, &cold));
                });
            }
            if engine.precompiled_key().is_some() {
                let code = engine.precompile_into(code).expect("compiled code can be saved");
                assert_eq!(*load(engine, &code, &warm).precompiled(), Precompiled::Used);
                group.bench_function("warm", |b| {
                    b.iter_with_large_drop(|| load(engine, &code, &warm));
                });
            }
            let program = load(engine, code, &cold);
            group.bench_function("vm", |b| {
                b.iter_batched(|| (), |()| vm(&program, &config), BatchSize::NumIterations(BATCH));
            });
            group.finish();
            if figure::wanted() {
                let before = memory::private();
                let vms: Vec<Vm<()>> = (0..VMS).map(|_| vm(&program, &config)).collect();
                if let (Some(before), Some(after)) = (before, memory::private()) {
                    let each = after.saturating_sub(before) as f64 / f64::from(VMS);
                    println!("life_{size}/{runtime}/memory: {each:.0} bytes for each VM");
                    figure::write(&format!("life_{size}_{runtime}"), "memory", each);
                }
                drop(vms);
            }
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = lives
}
criterion_main!(benches);
