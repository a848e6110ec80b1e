//! One whole HTTP stream, from context create to delete, headers copied in: through a host written by hand on bare
//! wasmtime, and through enginebay on each runtime.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enginebay_bench::bare::ENGINES;
use enginebay_bench::floor::Floor;
use enginebay_bench::guests;
use enginebay_bench::stream::Streams;

fn streams(c: &mut Criterion) {
    for (name, code) in [("noop", guests::NOOP), ("header_filter", guests::HEADER_FILTER)] {
        let mut group = c.benchmark_group(format!("stream/{name}"));
        let mut floor = Floor::new(code);
        group.bench_function("floor", |b| b.iter(|| floor.run()));
        for (engine, _) in ENGINES {
            let mut streams = Streams::new(engine, code);
            assert_eq!(streams.run(), floor.run(), "both hosts do the same work");
            group.bench_function(*engine, |b| b.iter(|| streams.run()));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = streams
}
criterion_main!(benches);
