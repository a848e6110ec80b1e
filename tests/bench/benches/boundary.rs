//! One call across the boundary, each way: on the bare engine, through the boundary, through the host.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enginebay_bench::bare::{Bare, ENGINES};
use enginebay_bench::guests::REPEAT;
use enginebay_bench::{boundary, stream};

fn calls(c: &mut Criterion) {
    for (engine, make) in ENGINES {
        let mut bare = make();
        let mut through = boundary::Guest::new(engine);
        let mut host = stream::Calls::new(engine);

        let mut group = c.benchmark_group(format!("callback/{engine}"));
        group.bench_function("bare", |b| b.iter(|| bare.callback()));
        group.bench_function("boundary", |b| b.iter(|| through.callback()));
        group.bench_function("host", |b| b.iter(|| host.callback()));
        group.finish();

        let mut group = c.benchmark_group(format!("host_call/{engine}"));
        group.bench_function("bare", |b| b.iter(|| bare.host_calls(REPEAT)));
        group.bench_function("boundary", |b| b.iter(|| through.host_calls(REPEAT)));
        group.bench_function("host", |b| b.iter(|| host.host_calls(REPEAT)));
        group.finish();

        let mut group = c.benchmark_group(format!("copy/{engine}"));
        group.bench_function("bare", |b| b.iter(|| bare.copies(REPEAT)));
        group.bench_function("boundary", |b| b.iter(|| through.copies(REPEAT)));
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = calls
}
criterion_main!(benches);
