//! What is counted of a listener.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::StatusCode;

use super::counter::Counter;
use super::samples::Kind;

/// A listener's numbers. Those of listeners with the same prefix are the same ones, so that a listener that takes another's
/// place goes on counting where that one was; the connection limit is its own.
pub(in crate::serve) struct ListenerCounts {
    pub(super) of_prefix: Arc<[ListenerStats]>,
    open: AtomicUsize,
}

impl ListenerCounts {
    pub(super) fn new(of_prefix: Arc<[ListenerStats]>) -> Self {
        ListenerCounts {
            of_prefix,
            open: AtomicUsize::new(0),
        }
    }

    /// What this worker counts. There is one for each worker; only its thread may change it.
    #[inline]
    pub(in crate::serve) fn worker(&self, index: usize) -> &ListenerStats {
        &self.of_prefix[index]
    }

    /// Counts a connection, unless there are that many already.
    pub(in crate::serve) fn admit(&self, limit: usize) -> bool {
        let admitted = self.open.fetch_add(1, Relaxed) < limit;
        if !admitted {
            self.leave();
        }
        admitted
    }

    /// A connection that was admitted is gone.
    pub(in crate::serve) fn leave(&self) {
        self.open.fetch_sub(1, Relaxed);
    }
}

/// What one worker counts of one listener. Aligned so that workers don't share cache lines.
#[derive(Default)]
#[repr(align(128))]
pub(in crate::serve) struct ListenerStats {
    pub(in crate::serve) rq_total: Counter,
    pub(in crate::serve) rq_active: Counter,
    rq_by_class: [Counter; 5],
    pub(in crate::serve) cx_total: Counter,
    pub(in crate::serve) cx_active: Counter,
    pub(in crate::serve) cx_overflow: Counter,
    pub(in crate::serve) tcp: TcpStats,
}

/// What else is counted of a TCP listener.
#[derive(Default)]
pub(in crate::serve) struct TcpStats {
    pub(in crate::serve) rx_bytes: Counter,
    pub(in crate::serve) tx_bytes: Counter,
    pub(in crate::serve) idle_timeout: Counter,
    pub(in crate::serve) none_healthy: Counter,
    pub(in crate::serve) overflow: Counter,
    pub(in crate::serve) connect_fail: Counter,
    pub(in crate::serve) connect_timeout: Counter,
}

impl ListenerStats {
    #[inline]
    pub(in crate::serve) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).wrapping_sub(1);
        if let Some(counter) = self.rq_by_class.get(class) {
            counter.raise();
        }
    }

    pub(super) fn values(&self) -> impl Iterator<Item = (Kind, &'static str, u64)> {
        const CLASSES: [&str; 5] = [
            "downstream_rq_1xx",
            "downstream_rq_2xx",
            "downstream_rq_3xx",
            "downstream_rq_4xx",
            "downstream_rq_5xx",
        ];
        let classes = CLASSES.into_iter().zip(self.rq_by_class.iter().map(Counter::get));
        let classes = classes.map(|(name, value)| (Kind::Counter, name, value));
        classes.chain(self.of_connections()).chain([
            (Kind::Counter, "downstream_rq_total", self.rq_total.get()),
            (Kind::Gauge, "downstream_rq_active", self.rq_active.get()),
        ])
    }

    fn of_connections(&self) -> [(Kind, &'static str, u64); 3] {
        [
            (Kind::Counter, "downstream_cx_total", self.cx_total.get()),
            (Kind::Gauge, "downstream_cx_active", self.cx_active.get()),
            (Kind::Counter, "downstream_cx_overflow", self.cx_overflow.get()),
        ]
    }

    /// Those of upstreams are Envoy's of the cluster.
    pub(super) fn tcp_values(&self) -> impl Iterator<Item = (Kind, &'static str, u64)> {
        let tcp = &self.tcp;
        let counters = [
            // A cluster that is not there is refused with the configuration.
            ("downstream_cx_no_route", 0),
            ("downstream_cx_rx_bytes_total", tcp.rx_bytes.get()),
            ("downstream_cx_tx_bytes_total", tcp.tx_bytes.get()),
            ("idle_timeout", tcp.idle_timeout.get()),
            ("upstream_cx_none_healthy", tcp.none_healthy.get()),
            ("upstream_cx_overflow", tcp.overflow.get()),
            ("upstream_cx_connect_fail", tcp.connect_fail.get()),
            ("upstream_cx_connect_timeout", tcp.connect_timeout.get()),
        ];
        let counters = counters.map(|(name, value)| (Kind::Counter, name, value));
        self.of_connections().into_iter().chain(counters)
    }
}
