//! The price list: each host function and each callback, through the whole host and on the bare engine.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enginebay_bench::bare::ENGINES;
use enginebay_bench::price::{BARE, CALLBACKS, CallbackHost, Host, REPEAT, ROWS};

fn prices(c: &mut Criterion) {
    for (runtime, _) in ENGINES {
        let bare = BARE
            .iter()
            .find(|(name, _)| name == runtime)
            .map(|(_, make)| make);
        for row in ROWS {
            if bare.is_none() && !row.native() {
                continue;
            }
            let mut group = c.benchmark_group(format!("price_{runtime}/{}", row.id()));
            if let Some(make) = bare {
                let mut guest = make(row);
                group.bench_function("bare", |b| b.iter(|| guest.run(REPEAT)));
            }
            let mut host = Host::new(runtime, row);
            group.bench_function("host", |b| b.iter(|| host.run(REPEAT)));
            group.finish();
        }
        let mut guest = bare.map(|make| make(&ROWS[0]));
        let mut host = CallbackHost::new(runtime);
        for callback in CALLBACKS {
            let mut group = c.benchmark_group(format!("price_{runtime}/{}", callback.name));
            if let Some(guest) = &mut guest {
                group.bench_function("bare", |b| b.iter(|| guest.callback(callback.shape)));
            }
            group.bench_function("host", |b| b.iter(|| host.call(callback)));
            group.finish();
        }
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(20))
        .measurement_time(Duration::from_millis(100));
    targets = prices
}
criterion_main!(benches);
