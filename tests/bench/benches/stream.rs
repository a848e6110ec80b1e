//! One whole HTTP stream, from context create to delete, headers copied in: through a host written by hand on bare
//! wasmtime, and through enginebay on each runtime.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enginebay_bench::bare::ENGINES;
use enginebay_bench::guests::{HEADER_FILTER, NOOP, REQUEST, RESPONSE};
use enginebay_bench::stream::Streams;

fn streams(c: &mut Criterion) {
    // The filter adds two headers to the request, and one to the response.
    for (guest, added) in [(NOOP, 0), (HEADER_FILTER, 3)] {
        let headers = REQUEST.len() + RESPONSE.len() + added;
        let mut group = c.benchmark_group(format!("stream/{}", guest.name));
        #[cfg(feature = "wasmtime")]
        {
            let mut floor = enginebay_bench::floor::Floor::new(guest.module);
            assert_eq!(floor.run(), headers, "the guest did its work");
            group.bench_function("floor", |b| b.iter(|| floor.run()));
        }
        for (engine, _) in ENGINES {
            let mut streams = Streams::new(engine, guest);
            assert_eq!(streams.run(), headers, "the guest did its work");
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
