//! What the server and its plugins count, and its text form, with Envoy's names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use enginebay::config::model::Bootstrap;
use enginebay::engine::Registry;
use enginebay::host::{MetricValue, Shared};
use http::StatusCode;
use regex::Regex;

use super::{histogram, plan};

/// A number that one thread changes and any thread reads, so that a change needs no locked instruction.
#[derive(Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    /// Only the thread that owns the counter may call this, and [`Counter::lower`].
    #[inline]
    pub(super) fn raise(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_add(1), Relaxed);
    }

    #[inline]
    pub(super) fn lower(&self) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(1), Relaxed);
    }

    #[inline]
    pub(super) fn add(&self, value: usize) {
        self.0
            .store(self.0.load(Relaxed).wrapping_add(value as u64), Relaxed);
    }

    pub(super) fn set(&self, value: usize) {
        self.0.store(value as u64, Relaxed);
    }

    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What one worker counts of one listener. Aligned so that workers don't share cache lines.
#[derive(Default)]
#[repr(align(128))]
pub(super) struct ListenerStats {
    pub(super) rq_total: Counter,
    pub(super) rq_active: Counter,
    rq_by_class: [Counter; 5],
    pub(super) cx_total: Counter,
    pub(super) cx_active: Counter,
    pub(super) cx_overflow: Counter,
    /// Streams of all filters, as last looked at.
    pub(super) wasm_streams: Counter,
    /// Likewise, callouts that plugins wait for, and bytes of bodies that they hold back.
    pub(super) wasm_callouts: Counter,
    pub(super) wasm_buffered: Counter,
    pub(super) tcp: TcpStats,
}

/// What else is counted of a TCP listener.
#[derive(Default)]
pub(super) struct TcpStats {
    pub(super) rx_bytes: Counter,
    pub(super) tx_bytes: Counter,
    pub(super) idle_timeout: Counter,
    pub(super) none_healthy: Counter,
    pub(super) overflow: Counter,
    pub(super) connect_fail: Counter,
    pub(super) connect_timeout: Counter,
}

impl ListenerStats {
    #[inline]
    pub(super) fn answered(&self, status: StatusCode) {
        let class = usize::from(status.as_u16() / 100).wrapping_sub(1);
        if let Some(counter) = self.rq_by_class.get(class) {
            counter.raise();
        }
    }

    fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
        const CLASSES: [&str; 5] = [
            "downstream_rq_1xx",
            "downstream_rq_2xx",
            "downstream_rq_3xx",
            "downstream_rq_4xx",
            "downstream_rq_5xx",
        ];
        let classes = CLASSES.into_iter().zip(self.rq_by_class.iter().map(Counter::get));
        classes.chain([
            ("downstream_rq_total", self.rq_total.get()),
            ("downstream_rq_active", self.rq_active.get()),
            ("downstream_cx_total", self.cx_total.get()),
            ("downstream_cx_active", self.cx_active.get()),
            ("downstream_cx_overflow", self.cx_overflow.get()),
        ])
    }

    /// Those of upstreams are Envoy's of the cluster.
    fn tcp_values(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let tcp = &self.tcp;
        [
            ("downstream_cx_total", self.cx_total.get()),
            ("downstream_cx_active", self.cx_active.get()),
            ("downstream_cx_overflow", self.cx_overflow.get()),
            // A cluster that is not there is refused with the configuration.
            ("downstream_cx_no_route", 0),
            ("downstream_cx_rx_bytes_total", tcp.rx_bytes.get()),
            ("downstream_cx_tx_bytes_total", tcp.tx_bytes.get()),
            ("idle_timeout", tcp.idle_timeout.get()),
            ("upstream_cx_none_healthy", tcp.none_healthy.get()),
            ("upstream_cx_overflow", tcp.overflow.get()),
            ("upstream_cx_connect_fail", tcp.connect_fail.get()),
            ("upstream_cx_connect_timeout", tcp.connect_timeout.get()),
        ]
        .into_iter()
    }
}

/// What all threads count together, each change being rare.
#[derive(Default)]
pub(super) struct PluginStats {
    name: String,
    /// Index of the runtime in [`Stats::runtimes`]; none if there is no such runtime.
    runtime: Option<usize>,
    crashes: AtomicU64,
}

struct RuntimeStats {
    name: &'static str,
    created: AtomicU64,
    active: AtomicU64,
}

/// All numbers of the server.
pub(super) struct Stats {
    started: Instant,
    live: AtomicBool,
    /// What the plugins share: their metrics.
    shared: Shared,
    /// Whether each listener is one for TCP, and its `stat_prefix`.
    prefixes: Vec<(bool, String)>,
    /// By worker, then by listener.
    workers: Vec<Vec<ListenerStats>>,
    /// By listener, then as [`plan::plugins`] has them.
    plugins: Vec<Vec<PluginStats>>,
    runtimes: Vec<RuntimeStats>,
    /// Open connections by listener, for the limit.
    connections: Vec<AtomicUsize>,
}

impl Stats {
    pub(super) fn new(bootstrap: &Bootstrap, registry: &Registry, workers: usize, shared: Shared) -> Self {
        let runtimes: Vec<RuntimeStats> = registry
            .iter()
            .map(|runtime| RuntimeStats {
                name: runtime.name,
                created: AtomicU64::new(0),
                active: AtomicU64::new(0),
            })
            .collect();
        let runtime_of = |configured: &str| {
            let name = registry.find(configured)?.runtime.name;
            runtimes.iter().position(|runtime| runtime.name == name)
        };
        let plugins = bootstrap.listeners.iter().map(|listener| {
            let filters = plan::plugins(listener).map(|filter| PluginStats {
                name: filter
                    .plugin()
                    .map(|plugin| plugin.name.clone())
                    .unwrap_or_default(),
                runtime: filter.plugin().and_then(|plugin| runtime_of(&plugin.vm.runtime)),
                crashes: AtomicU64::new(0),
            });
            filters.collect()
        });
        let listeners = bootstrap.listeners.len();
        Stats {
            started: Instant::now(),
            live: AtomicBool::new(false),
            shared,
            prefixes: bootstrap
                .listeners
                .iter()
                .map(|listener| (listener.tcp().is_some(), listener.stat_prefix().to_owned()))
                .collect(),
            workers: (0..workers)
                .map(|_| (0..listeners).map(|_| ListenerStats::default()).collect())
                .collect(),
            plugins: plugins.collect(),
            runtimes,
            connections: (0..listeners).map(|_| AtomicUsize::new(0)).collect(),
        }
    }

    /// What the plugins share.
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn set_live(&self, live: bool) {
        self.live.store(live, Relaxed);
    }

    pub(super) fn is_live(&self) -> bool {
        self.live.load(Relaxed)
    }

    /// The counters of a worker and a listener; there is one for each that the configuration has.
    pub(super) fn listener(&self, worker: usize, listener: usize) -> &ListenerStats {
        &self.workers[worker][listener]
    }

    /// Counts a connection of a listener, unless it has that many already.
    pub(super) fn admit(&self, listener: usize, limit: usize) -> bool {
        let admitted = self.connections[listener].fetch_add(1, Relaxed) < limit;
        if !admitted {
            self.leave(listener);
        }
        admitted
    }

    pub(super) fn leave(&self, listener: usize) {
        self.connections[listener].fetch_sub(1, Relaxed);
    }

    pub(super) fn vm_created(&self, listener: usize, filter: usize) {
        if let Some(runtime) = self.runtime(listener, filter) {
            runtime.created.fetch_add(1, Relaxed);
            runtime.active.fetch_add(1, Relaxed);
        }
    }

    pub(super) fn vm_dropped(&self, listener: usize, filter: usize) {
        if let Some(runtime) = self.runtime(listener, filter) {
            runtime.active.fetch_sub(1, Relaxed);
        }
    }

    fn runtime(&self, listener: usize, filter: usize) -> Option<&RuntimeStats> {
        self.runtimes
            .get(self.plugins.get(listener)?.get(filter)?.runtime?)
    }

    pub(super) fn vm_crashed(&self, listener: usize, filter: usize) {
        if let Some(plugin) = self.plugins.get(listener).and_then(|all| all.get(filter)) {
            plugin.crashes.fetch_add(1, Relaxed);
        }
    }

    /// `name: value` lines of what has a name that matches: first the numbers, then the histograms, each sorted by name.
    pub(super) fn text(&self, filter: Option<&Regex>) -> String {
        let mut text = String::new();
        let matches = |name: &str| filter.is_none_or(|filter| filter.is_match(name));
        let metrics = self.shared.metrics().snapshot();
        for (name, value) in self.values(&metrics) {
            if matches(&name) {
                let _ = writeln!(text, "{name}: {value}");
            }
        }
        for (name, value) in &metrics {
            if let MetricValue::Histogram { quantiles, .. } = value {
                let name = custom(name);
                if matches(&name) {
                    let _ = writeln!(text, "{name}: {}", histogram::summary(quantiles));
                }
            }
        }
        text
    }

    /// Numbers of one name, for instance of listeners with the same prefix, are added up.
    fn values(&self, metrics: &[(String, MetricValue)]) -> BTreeMap<String, u64> {
        let mut values: BTreeMap<String, u64> = BTreeMap::new();
        let mut add = |name: String, value: u64| {
            let sum = values.entry(name).or_default();
            *sum = sum.wrapping_add(value);
        };
        for worker in &self.workers {
            for ((tcp, prefix), listener) in self.prefixes.iter().zip(worker) {
                if *tcp {
                    for (name, value) in listener.tcp_values() {
                        add(format!("tcp.{prefix}.{name}"), value);
                    }
                } else {
                    for (name, value) in listener.values() {
                        add(format!("http.{prefix}.{name}"), value);
                    }
                }
                add("wasm.streams_active".to_owned(), listener.wasm_streams.get());
                add("wasm.callouts_active".to_owned(), listener.wasm_callouts.get());
                add("wasm.buffered_bytes".to_owned(), listener.wasm_buffered.get());
            }
        }
        for plugin in self.plugins.iter().flatten() {
            let crashes = plugin.crashes.load(Relaxed);
            add(format!("wasm.{}.crashes", plugin.name), crashes);
        }
        for runtime in &self.runtimes {
            add(
                format!("wasm.{}.created", runtime.name),
                runtime.created.load(Relaxed),
            );
            add(
                format!("wasm.{}.active", runtime.name),
                runtime.active.load(Relaxed),
            );
        }
        for (name, value) in metrics {
            if let MetricValue::Counter(value) | MetricValue::Gauge(value) = value {
                add(custom(name), *value);
            }
        }
        add("server.live".to_owned(), u64::from(self.is_live()));
        add("server.uptime".to_owned(), self.started.elapsed().as_secs());
        add("server.concurrency".to_owned(), self.workers.len() as u64);
        values
    }
}

/// The name of a plugin's metric, which may hold anything, as part of a line.
fn custom(name: &str) -> String {
    format!("wasmcustom.{}", name.replace(|c: char| c.is_control(), "_"))
}
