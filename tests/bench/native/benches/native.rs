//! One whole HTTP stream through the same plugins as in the benchmark `stream` of `enginebay-bench`, called natively.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enginebay_bench_native::{PLUGINS, Streams};

/// Contexts of one plugin are below those of the next.
const APART: u32 = 1 << 30;

fn streams(c: &mut Criterion) {
    for (plugin, root) in PLUGINS.into_iter().zip((0..).map(|index| 1 + index * APART)) {
        let mut streams = Streams::new(plugin, root);
        assert_eq!(streams.run(), plugin.headers, "the plugin did its work");
        c.benchmark_group(format!("stream/{}", plugin.name))
            .bench_function("native", |b| b.iter(|| streams.run()));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = streams
}
criterion_main!(benches);
