//! Connections that wait for a request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::serve::worker::Clock;

/// HTTP/1.1 connections without a request, the last used last.
pub(super) struct Idle<C>(RefCell<Vec<(C, u32)>>);

impl<C> Default for Idle<C> {
    fn default() -> Self {
        Idle(RefCell::default())
    }
}

impl<C> Idle<C> {
    /// The connection that was used last of those that are good. The others met on the way are dropped.
    pub(super) fn take(&self, good: impl Fn(&C) -> bool) -> Option<C> {
        let mut idle = self.0.borrow_mut();
        while let Some((connection, _)) = idle.pop() {
            if good(&connection) {
                return Some(connection);
            }
        }
        None
    }

    /// Keeps a connection whose last request was over at `now`, in seconds.
    pub(super) fn put(&self, connection: C, now: u32) {
        self.0.borrow_mut().push((connection, now));
    }

    /// Those that have been idle since `before`, if that is given, and those that are closed.
    pub(super) fn take_older(&self, before: Option<u32>, closed: impl Fn(&C) -> bool) -> Vec<(C, u32)> {
        let mut idle = self.0.borrow_mut();
        idle.extract_if(.., |(connection, since)| {
            before.is_some_and(|before| *since <= before) || closed(connection)
        })
        .collect()
    }
}

/// The streams of an HTTP/2 connection.
pub(super) struct Streams {
    open: Cell<usize>,
    /// When the last one ended, in seconds.
    ended: Cell<u32>,
}

impl Streams {
    pub(super) fn new(clock: &Clock) -> Rc<Self> {
        Rc::new(Streams {
            open: Cell::new(0),
            ended: Cell::new(clock.seconds()),
        })
    }

    /// A stream begins; it is over when what comes back is dropped.
    pub(super) fn begin(self: &Rc<Self>, clock: &Rc<Clock>) -> OpenStream {
        self.open.set(self.open.get() + 1);
        OpenStream {
            streams: self.clone(),
            clock: clock.clone(),
        }
    }

    /// Whether there has been no stream since `before`.
    pub(super) fn idle_since(&self, before: u32) -> bool {
        self.open.get() == 0 && self.ended.get() <= before
    }
}

/// A stream.
pub(super) struct OpenStream {
    streams: Rc<Streams>,
    clock: Rc<Clock>,
}

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.streams.open.set(self.streams.open.get() - 1);
        self.streams.ended.set(self.clock.seconds());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_connections_are_forgotten_with_and_without_a_timeout() {
        let idle = Idle::default();
        for (connection, since) in [("old", 1), ("closed", 5), ("new", 5)] {
            idle.put(connection, since);
        }
        let closed = |connection: &&str| *connection == "closed";
        assert_eq!(idle.take_older(None, closed), [("closed", 5)]);
        assert_eq!(idle.take_older(Some(4), closed), [("old", 1)]);
        assert_eq!(idle.take(|_| true), Some("new"));
    }
}
