//! A listener, as one worker sees it: its connections stay when its configuration changes.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use enginebay_http::{ConnectionInfo, ConnectionState};
use tokio::sync::Notify;

use super::plan::ListenerKey;
use super::serving::Serving;
use super::stats::{ListenerCounts, ListenerStats};

/// A listener of a worker.
pub(super) struct Here {
    key: ListenerKey,
    counts: Arc<ListenerCounts>,
    worker: usize,
    max_connections: usize,
    serving: RefCell<Rc<Serving>>,
    closed: Cell<bool>,
    closing: Notify,
}

impl Here {
    pub(super) fn new(
        key: ListenerKey,
        counts: Arc<ListenerCounts>,
        worker: usize,
        max_connections: usize,
        serving: Rc<Serving>,
    ) -> Rc<Self> {
        Rc::new(Here {
            key,
            counts,
            worker,
            max_connections,
            serving: RefCell::new(serving),
            closed: Cell::new(false),
            closing: Notify::new(),
        })
    }

    pub(super) fn key(&self) -> &ListenerKey {
        &self.key
    }

    /// What new requests and connections meet.
    #[inline]
    pub(super) fn serving(&self) -> Rc<Serving> {
        self.serving.borrow().clone()
    }

    /// From now on, new requests and connections meet this. Those on their way stay with what they began with.
    pub(super) fn set_serving(&self, serving: Rc<Serving>) {
        let old = self.serving.replace(serving);
        drop(old);
    }

    /// Takes no more connections: the configuration has no such listener any more.
    pub(super) fn close(&self) {
        self.closed.set(true);
        self.closing.notify_waiters();
    }

    /// Until it is closed.
    pub(super) async fn closed(&self) {
        let closing = self.closing.notified();
        if !self.closed.get() {
            closing.await;
        }
    }

    #[inline]
    pub(super) fn stats(&self) -> &ListenerStats {
        self.counts.worker(self.worker)
    }

    /// A connection as plugins see it.
    pub(super) fn connection_info(peer: SocketAddr, local: Option<SocketAddr>, id: u64) -> ConnectionInfo {
        let mut info = ConnectionInfo::default();
        info.peer = Some(peer);
        info.local = local;
        info.id = Some(id);
        info.state = Some(ConnectionState::default());
        info
    }

    pub(super) fn admit(&self) -> bool {
        self.counts.admit(self.max_connections)
    }

    /// A connection that was admitted is gone.
    pub(super) fn leave(&self) {
        self.counts.leave();
    }
}
