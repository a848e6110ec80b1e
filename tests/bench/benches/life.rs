//! The life of a VM: loading its code, compiled from bytecode (cold) and from code compiled ahead (warm), for a small and
//! a large module; a new VM of what is loaded, before `proxy_on_vm_start`; and what memory each of many VMs takes.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group};
use enginebay::engine::{Engine, Precompiled};
use enginebay::host::{LoadOptions, Program};
use enginebay::{PluginConfig, Vm, VmConfig};
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
                let each = in_a_process_of_its_own(runtime, size);
                println!("life_{size}/{runtime}/memory: {each:.0} bytes for each VM");
                figure::write(&format!("life_{size}_{runtime}"), "memory", each);
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

/// What memory each of many VMs with a started plugin takes: in a process in which nothing was before.
fn in_a_process_of_its_own(runtime: &str, size: &str) -> f64 {
    let program = std::env::current_exe().expect("this is a program");
    let output = std::process::Command::new(program)
        .args([MEMORY, runtime, size])
        .output()
        .expect("the program can be started again");
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim()
        .parse()
        .unwrap_or_else(|_| panic!("{runtime}: {output:?}"))
}

const MEMORY: &str = "memory";

fn memory_of(runtime: &str, size: &str) -> Option<f64> {
    let engine = &*engine_for(runtime, VMS + 24);
    let large = xtask::enlarge::enlarge(HEADER_FILTER.module, LARGE).expect("a module");
    let code = match size {
        _ if engine.native() => HEADER_FILTER.name.as_bytes(),
        "large" => &large[..],
        _ => HEADER_FILTER.module,
    };
    let (program, config) = (load(engine, code, &LoadOptions::default()), Config::default());
    let started = || {
        let vm = vm(&program, &config);
        vm.start_plugin(PluginConfig::default())
            .expect("the plugin starts");
        vm
    };
    // What is there once for all of them.
    let first = started();
    let before = memory::private()?;
    let vms: Vec<Vm<()>> = (0..VMS).map(|_| started()).collect();
    let after = memory::private()?;
    drop((first, vms));
    Some(after.saturating_sub(before) as f64 / f64::from(VMS))
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match &args[..] {
        [what, runtime, size] if what == MEMORY => {
            println!("{}", memory_of(runtime, size).unwrap_or(0.0));
        }
        _ => {
            benches();
            Criterion::default().configure_from_args().final_summary();
        }
    }
}
