//! Numbers by name.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many names that nobody uses any more are kept with what was counted, at most twice that: a control plane may think of
/// ever new ones.
const MAX_UNUSED: usize = 1024;

/// What is counted under a name stays when those who count are gone, so that one who comes in their place goes on with it.
pub(super) struct Names<K, V: ?Sized>(Mutex<Inside<K, V>>);

struct Inside<K, V: ?Sized> {
    entries: BTreeMap<K, Arc<V>>,
    /// When to look for unused ones.
    crowded: usize,
}

impl<K: Ord, V: ?Sized> Names<K, V> {
    pub(super) fn new() -> Self {
        Names(Mutex::new(Inside {
            entries: BTreeMap::new(),
            crowded: MAX_UNUSED,
        }))
    }

    /// The numbers of a name, new ones if it was not there.
    pub(super) fn get(&self, key: K, new: impl FnOnce() -> Arc<V>) -> Arc<V> {
        let mut inside = self.lock();
        let counted = inside.entries.entry(key).or_insert_with(new).clone();
        if inside.entries.len() > inside.crowded {
            inside.entries.retain(|_, counted| Arc::strong_count(counted) > 1);
            inside.crowded = inside.entries.len() + MAX_UNUSED;
        }
        counted
    }

    pub(super) fn each(&self, mut see: impl FnMut(&K, &V)) {
        for (key, counted) in &self.lock().entries {
            see(key, counted);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inside<K, V>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_stays() {
        let names: Names<&str, str> = Names::new();
        drop(names.get("a", || "first".into()));
        assert_eq!(&*names.get("a", || "second".into()), "first");
    }

    #[test]
    fn there_is_a_bound_on_unused_names() {
        let names: Names<usize, usize> = Names::new();
        let used: Vec<_> = (0..10).map(|name| names.get(name, || Arc::new(name))).collect();
        for name in 10..10 * MAX_UNUSED {
            names.get(name, || Arc::new(name));
        }
        let mut seen = Vec::new();
        names.each(|name, _| seen.push(*name));
        assert!(seen.len() <= used.len() + MAX_UNUSED + 1, "{}", seen.len());
        assert!(seen.starts_with(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]));
    }
}
