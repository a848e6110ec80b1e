//! Numbers that threads count without waiting for each other.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one thread changes and any thread reads, so that a change needs no locked instruction.
#[derive(Default)]
pub(in crate::serve) struct Counter(AtomicU64);

impl Counter {
    /// Only the thread that owns the counter may call this, and the other methods that change it.
    #[inline]
    pub(in crate::serve) fn raise(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    #[inline]
    pub(in crate::serve) fn lower(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    #[inline]
    pub(in crate::serve) fn add(&self, value: usize) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(value as u64), Relaxed);
    }

    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that all threads change, each change being rare.
#[derive(Default)]
pub(super) struct Shared(AtomicU64);

impl Shared {
    pub(super) fn raise(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    pub(super) fn lower(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    pub(super) fn add(&self, value: u64) {
        self.0.fetch_add(value, Relaxed);
    }

    /// What was `before` is `now`; others have their share in the number too.
    pub(super) fn change(&self, before: u64, now: u64) {
        self.0.fetch_add(now.wrapping_sub(before), Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
