//! Once warm, a stream allocates nothing in the host.
//!
//! What is counted is what Rust allocates: a C library has an allocator of its own.

use std::alloc::System;

use enginebay_bench::bare::{Bare, ENGINES};
use enginebay_bench::guests::{REPEAT, WORKLOADS, Workload};
use enginebay_bench::stream::{Calls, Streams};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allocations, among all threads, of what `f` does each time: the fewest of three, because the thread that keeps an
/// engine's time allocates when it starts, which may be late.
fn allocations(mut f: impl FnMut()) -> usize {
    f();
    f();
    let once = |_| {
        let region = Region::new(ALLOCATOR);
        f();
        let change = region.change();
        change.allocations + change.reallocations
    };
    (0..3).map(once).min().unwrap_or_default()
}

// One test, because the counter counts what every thread does.
#[test]
fn calls_and_streams_allocate_nothing() {
    let control = allocations(|| drop(std::hint::black_box(vec![1])));
    assert!(control > 0, "the counter counts");
    for (engine, _) in ENGINES {
        let mut boundary = enginebay_bench::boundary::Guest::new(engine);
        assert_eq!(
            allocations(|| boundary.callback()),
            0,
            "{engine}: callback, boundary"
        );
        assert_eq!(
            allocations(|| boundary.host_calls(REPEAT)),
            0,
            "{engine}: host call, boundary"
        );
        assert_eq!(allocations(|| boundary.copies(REPEAT)), 0, "{engine}: copies");
        let mut host = Calls::new(engine);
        assert_eq!(allocations(|| host.callback()), 0, "{engine}: callback");
        assert_eq!(allocations(|| host.host_calls(REPEAT)), 0, "{engine}: host call");
        let [noop, header_filter, _] = WORKLOADS;
        assert_eq!(streams(engine, noop), 0, "{engine}: {}", noop.guest.name);
        let most = match *engine {
            // wasmer keeps idle stacks in a queue that allocates for every 31 that are put in: one is when a callback is
            // over in which the host called the guest's allocator.
            "wasmer" => STREAMS.div_ceil(31),
            // A native plugin allocates in the same place as the host: what the SDK needs can't be told from it.
            "null" => continue,
            _ => 0,
        };
        let count = streams(engine, header_filter);
        assert!(count <= most, "{engine}: {}: {count}", header_filter.guest.name);
    }
}

/// How many streams are counted at a time.
const STREAMS: usize = 100;

fn streams(engine: &str, workload: Workload) -> usize {
    let mut streams = Streams::new(engine, workload);
    allocations(|| {
        for _ in 0..STREAMS {
            streams.run();
        }
    })
}
