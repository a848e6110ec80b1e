//! Loading a plugin: compiled from its bytecode, and where the runtime can save compiled code, from that.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enginebay::engine::Precompiled;
use enginebay::host::{LoadOptions, Program};
use enginebay_bench::bare::ENGINES;
use enginebay_bench::guests::ADD_HEADER;
use enginebay_bench::stream;

fn loads(c: &mut Criterion) {
    for (runtime, _) in ENGINES {
        let engine = stream::engine(runtime);
        if engine.native() {
            continue;
        }
        let mut group = c.benchmark_group(format!("load/{runtime}"));
        let load = |code: &[u8], options: &LoadOptions| {
            Program::load_with(&*engine, code, options.clone()).expect("the plugin loads")
        };
        let options = LoadOptions::default();
        group.bench_function("compile", |b| b.iter(|| load(ADD_HEADER.module, &options)));
        if engine.precompiled_key().is_some() {
            let code = engine
                .precompile_into(ADD_HEADER.module)
                .expect("compiled code can be saved");
            let options = options.clone().with_precompiled(true);
            assert_eq!(*load(&code, &options).precompiled(), Precompiled::Used);
            group.bench_function("precompiled", |b| b.iter(|| load(&code, &options)));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_secs(1));
    targets = loads
}
criterion_main!(benches);
