//! The timers of a VM's root contexts.

use std::cell::RefCell;
use std::time::Duration;

use enginebay::ContextId;
use tokio::time::Instant;

/// One timer for each root context that asked for one.
#[derive(Default)]
pub(super) struct Timers(RefCell<Vec<Timer>>);

struct Timer {
    root: ContextId,
    period: Duration,
    /// `None` for a time that never comes.
    due: Option<Instant>,
}

impl Timers {
    /// The period starts now: as on Envoy, when the callback before is over.
    pub(super) fn set(&self, root: ContextId, period: Option<Duration>) {
        let mut timers = self.0.borrow_mut();
        timers.retain(|timer| timer.root != root);
        if let Some(period) = period {
            let due = Instant::now().checked_add(period);
            timers.push(Timer { root, period, due });
        }
    }

    /// Starts the root context's period again.
    pub(super) fn arm(&self, root: ContextId) {
        let mut timers = self.0.borrow_mut();
        if let Some(timer) = timers.iter_mut().find(|timer| timer.root == root) {
            timer.due = Instant::now().checked_add(timer.period);
        }
    }

    pub(super) fn clear(&self) {
        self.0.borrow_mut().clear();
    }

    /// The root contexts whose time has come.
    pub(super) fn due(&self) -> Vec<ContextId> {
        let timers = self.0.borrow();
        if timers.is_empty() {
            return Vec::new();
        }
        let now = Instant::now();
        let due = timers
            .iter()
            .filter(|timer| timer.due.is_some_and(|due| due <= now));
        due.map(|timer| timer.root).collect()
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.0.borrow().iter().filter_map(|timer| timer.due).min()
    }
}
