//! How much plugins do.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use enginebay_engine::TrapKind;

/// What a plugin did in its VM.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Work {
    /// Calls of its exports: callbacks, and the module's initialisation.
    pub calls: u64,
    /// Nanoseconds that these took, what host functions did for them included. An estimate: one call of 64 is measured, on
    /// average, and counts 64 times.
    pub time_ns: u64,
    /// How often it was stopped at a limit (time, stack, memory), and how often messages of a second were left out of the log.
    pub limit_hits: u64,
}

impl Work {
    /// Calls of which one is measured, on average.
    pub const SAMPLED: u64 = 64;
}

/// Counts what the plugins of a VM do. A call costs two additions; if there is more than one plugin, finding out which one it
/// is for too.
pub(crate) struct Meter {
    /// The root context that is counted for, and what it did since that is so.
    root: Cell<u32>,
    calls: Cell<u64>,
    time_ns: Cell<u64>,
    limit_hits: Cell<u64>,
    /// How many root contexts there were.
    roots: Cell<u32>,
    /// What others did.
    others: RefCell<Vec<(u32, Work)>>,
    /// Calls until the next one that is measured.
    until: Cell<u32>,
    random: Cell<u32>,
}

impl Meter {
    pub(crate) fn new() -> Self {
        Meter {
            root: Cell::new(0),
            calls: Cell::new(0),
            time_ns: Cell::new(0),
            limit_hits: Cell::new(0),
            roots: Cell::new(0),
            others: RefCell::default(),
            until: Cell::new(Work::SAMPLED as u32),
            random: Cell::new(0x9e37_79b9),
        }
    }

    /// There is another root context; what is called next is for it.
    pub(crate) fn add_root(&self, root: u32) {
        self.roots.set(self.roots.get().saturating_add(1));
        self.switch(root);
    }

    /// Whether there is a question of whom a call is for.
    #[inline]
    pub(crate) fn is_shared(&self) -> bool {
        self.roots.get() > 1
    }

    /// What follows is for this root context.
    pub(crate) fn switch(&self, root: u32) {
        let before = self.root.replace(root);
        if before != root {
            self.put_away(before);
        }
    }

    fn put_away(&self, root: u32) {
        let done = Work {
            calls: self.calls.take(),
            time_ns: self.time_ns.take(),
            limit_hits: self.limit_hits.take(),
        };
        if done == Work::default() {
            return;
        }
        let mut others = self.others.borrow_mut();
        match others.iter_mut().find(|(id, _)| *id == root) {
            Some((_, work)) => {
                work.calls = work.calls.wrapping_add(done.calls);
                work.time_ns = work.time_ns.wrapping_add(done.time_ns);
                work.limit_hits = work.limit_hits.wrapping_add(done.limit_hits);
            }
            None => others.push((root, done)),
        }
    }

    /// The root context that was counted for last.
    pub(crate) fn last_root(&self) -> u32 {
        self.root.get()
    }

    /// Takes what was done since the last time; 0 is what was done before there was a root context.
    pub(crate) fn take(&self) -> Vec<(u32, Work)> {
        self.put_away(self.root.get());
        self.others.take()
    }

    /// A call begins. What this returns goes to [`Meter::end`].
    #[inline]
    pub(crate) fn begin(&self) -> Option<Instant> {
        self.calls.set(self.calls.get().wrapping_add(1));
        let until = self.until.get() - 1;
        self.until.set(until);
        if until == 0 { self.sample() } else { None }
    }

    #[cold]
    fn sample(&self) -> Option<Instant> {
        // At distances that are all different, since what is called follows a pattern. Xorshift; never 0.
        let mut random = self.random.get();
        random ^= random << 13;
        random ^= random >> 17;
        random ^= random << 5;
        self.random.set(random);
        // 1 to 127: 64 on average.
        self.until.set(1 + random % (2 * Work::SAMPLED as u32 - 1));
        Some(Instant::now())
    }

    #[inline]
    pub(crate) fn end(&self, began: Option<Instant>) {
        if let Some(began) = began {
            self.measured(began);
        }
    }

    #[cold]
    fn measured(&self, began: Instant) {
        let took = u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let counted = took.saturating_mul(Work::SAMPLED);
        self.time_ns.set(self.time_ns.get().wrapping_add(counted));
    }

    pub(crate) fn limit_hit(&self) {
        self.limit_hits.set(self.limit_hits.get().wrapping_add(1));
    }

    pub(crate) fn trapped(&self, kind: TrapKind) {
        if matches!(
            kind,
            TrapKind::Interrupted | TrapKind::OutOfMemory | TrapKind::StackOverflow
        ) {
            self.limit_hit();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_for_who_did_it() {
        let meter = Meter::new();
        let call = |times| (0..times).for_each(|_| meter.end(meter.begin()));
        call(1);
        meter.add_root(1);
        assert!(!meter.is_shared());
        call(2);
        meter.add_root(2);
        assert!(meter.is_shared());
        call(3);
        meter.trapped(TrapKind::Interrupted);
        meter.trapped(TrapKind::Unreachable);
        meter.switch(1);
        call(4);
        let mut work = meter.take();
        work.sort_by_key(|(root, _)| *root);
        let counted: Vec<_> = work
            .iter()
            .map(|(root, work)| (*root, work.calls, work.limit_hits))
            .collect();
        assert_eq!(counted, [(0, 1, 0), (1, 6, 0), (2, 3, 1)]);
        assert_eq!(meter.take(), []);
    }

    #[test]
    fn one_call_of_64_is_measured_whatever_the_pattern() {
        let meter = Meter::new();
        let mut measured = [0; 4];
        for call in 0..256_000 {
            if meter.begin().is_some() {
                measured[call % 4] += 1;
            }
        }
        for measured in measured {
            assert!((850..1150).contains(&measured), "{measured}");
        }
    }
}
