//! One whole HTTP stream, from context create to delete, headers copied in: through a host written by hand on bare
//! wasmtime, and through enginebay on each runtime.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enginebay_bench::bare::ENGINES;
use enginebay_bench::guests::WORKLOADS;
use enginebay_bench::stream::Streams;

fn streams(c: &mut Criterion) {
    for workload in WORKLOADS {
        let mut group = c.benchmark_group(format!("stream/{}", workload.guest.name));
        #[cfg(feature = "wasmtime")]
        {
            let mut floor = enginebay_bench::floor::Floor::new(workload.guest.module);
            assert_eq!(
                floor.run(workload.body),
                workload.headers,
                "the guest did its work"
            );
            group.bench_function("floor", |b| b.iter(|| floor.run(workload.body)));
        }
        for (engine, _) in ENGINES {
            let mut streams = Streams::new(engine, workload);
            assert_eq!(streams.run(), workload.headers, "the guest did its work");
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
