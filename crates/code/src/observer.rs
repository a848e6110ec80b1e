//! What happens, for statistics.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// Something to count. On Envoy each is a counter `wasm.<name>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Event {
    /// `remote_load_cache_hits`: the code was in memory, or in the directory.
    CacheHit,
    /// `remote_load_cache_negative_hits`: nothing was fetched, because the last fetch failed a moment ago.
    CacheNegativeHit,
    /// `remote_load_cache_misses`: the code has to be fetched, or is being fetched.
    CacheMiss,
    /// `remote_load_fetch_successes`: code was fetched and is what it should be.
    FetchSuccess,
    /// `remote_load_fetch_failures`: a fetch was given up, after its retries.
    FetchFailure,
}

impl Event {
    /// All of them.
    pub const ALL: [Event; 5] = [
        Event::CacheHit,
        Event::CacheNegativeHit,
        Event::CacheMiss,
        Event::FetchSuccess,
        Event::FetchFailure,
    ];

    /// Envoy's name of the counter, without `wasm.`.
    pub fn name(self) -> &'static str {
        match self {
            Event::CacheHit => "remote_load_cache_hits",
            Event::CacheNegativeHit => "remote_load_cache_negative_hits",
            Event::CacheMiss => "remote_load_cache_misses",
            Event::FetchSuccess => "remote_load_fetch_successes",
            Event::FetchFailure => "remote_load_fetch_failures",
        }
    }
}

/// Is told what happens. Called from all threads that ask for code, while a lock is held: it must not ask for code itself.
pub trait Observer: Send + Sync {
    /// Something to count.
    fn event(&self, event: Event);

    /// `remote_load_cache_entries`, a gauge: the digests of which something is known, failed and running fetches among them.
    fn entries(&self, entries: usize);
}

/// Counts nothing.
impl Observer for () {
    fn event(&self, _: Event) {}

    fn entries(&self, _: usize) {}
}

/// Counts everything.
#[derive(Debug, Default)]
pub struct Counters {
    events: [AtomicU64; Event::ALL.len()],
    entries: AtomicUsize,
}

impl Counters {
    /// How often this has happened.
    pub fn get(&self, event: Event) -> u64 {
        self.events[event as usize].load(Ordering::Relaxed)
    }

    /// `remote_load_cache_entries`.
    pub fn cache_entries(&self) -> usize {
        self.entries.load(Ordering::Relaxed)
    }
}

impl Observer for Counters {
    fn event(&self, event: Event) {
        self.events[event as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn entries(&self, entries: usize) {
        self.entries.store(entries, Ordering::Relaxed);
    }
}
