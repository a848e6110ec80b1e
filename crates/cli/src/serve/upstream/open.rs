//! The bound on a cluster's connections.

use std::cell::Cell;
use std::rc::Rc;

/// How many connections are open, and how many may be.
pub(super) struct Open {
    now: Cell<usize>,
    limit: usize,
}

impl Open {
    pub(super) fn new(limit: usize) -> Self {
        Open {
            now: Cell::new(0),
            limit,
        }
    }

    /// Room for one more; none if there are as many as may be.
    pub(super) fn one_more(self: &Rc<Self>) -> Option<OneOpen> {
        if self.now.get() >= self.limit {
            return None;
        }
        self.now.set(self.now.get() + 1);
        Some(OneOpen(self.clone()))
    }
}

/// A connection that counts, until this is dropped.
pub(in crate::serve) struct OneOpen(Rc<Open>);

impl Drop for OneOpen {
    fn drop(&mut self) {
        self.0.now.set(self.0.now.get() - 1);
    }
}
