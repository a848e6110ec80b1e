//! What the server and its plugins count, and its text form, with Envoy's names.

mod counter;
mod listener;
mod names;
mod observer;
mod plugin;
mod usage;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use enginebay::Plugin;
use enginebay::engine::Registry;
use enginebay::host::{MetricValue, Shared};
use regex::Regex;

use super::histogram;
use names::Names;
use usage::WorkerUsage;

pub(super) use listener::{ListenerCounts, ListenerStats};
pub(super) use plugin::PluginCounts;

struct RuntimeStats {
    name: &'static str,
    created: counter::Shared,
    active: counter::Shared,
}

/// All numbers of the server. Listeners and plugins come and go.
pub(super) struct Stats {
    started: Instant,
    live: AtomicBool,
    /// What the plugins share: their metrics.
    shared: Shared,
    registry: Registry,
    runtimes: Vec<RuntimeStats>,
    workers: usize,
    usage: Box<[WorkerUsage]>,
    /// By worker, of each kind (whether TCP) and `stat_prefix`.
    listeners: Names<(bool, String), [ListenerStats]>,
    plugins: Names<String, PluginCounts>,
}

impl Stats {
    pub(super) fn new(registry: &Registry, workers: usize, shared: Shared) -> Self {
        let runtimes = registry.iter().map(|runtime| RuntimeStats {
            name: runtime.name,
            created: counter::Shared::default(),
            active: counter::Shared::default(),
        });
        Stats {
            started: Instant::now(),
            live: AtomicBool::new(false),
            shared,
            runtimes: runtimes.collect(),
            registry: registry.clone(),
            // The main thread has plugins too, behind the workers.
            usage: (0..=workers).map(|_| WorkerUsage::default()).collect(),
            workers,
            listeners: Names::new(),
            plugins: Names::new(),
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

    /// The numbers of a listener for TCP or HTTP with this `stat_prefix`. In `/stats` from now on.
    pub(super) fn listener(&self, tcp: bool, prefix: &str) -> Arc<ListenerCounts> {
        let new = || (0..self.workers).map(|_| ListenerStats::default()).collect();
        let of_prefix = self.listeners.get((tcp, prefix.to_owned()), new);
        Arc::new(ListenerCounts::new(of_prefix))
    }

    /// The numbers of plugins of this name. In `/stats` from now on, so to be called when a plugin is loaded.
    pub(super) fn plugin(&self, plugin: &Plugin) -> Arc<PluginCounts> {
        self.plugins.get(plugin.name().to_owned(), Arc::default)
    }

    /// What a worker says once a second of what its VMs hold. There is one for each worker; only its thread may set it.
    pub(super) fn usage(&self, worker: usize) -> &WorkerUsage {
        &self.usage[worker]
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

    /// Numbers of one name are added up.
    fn values(&self, metrics: &[(String, MetricValue)]) -> BTreeMap<String, u64> {
        let mut values: BTreeMap<String, u64> = BTreeMap::new();
        let mut add = |name: String, value: u64| {
            let sum = values.entry(name).or_default();
            *sum = sum.wrapping_add(value);
        };
        self.listeners.each(|(tcp, prefix), workers| {
            for worker in workers {
                if *tcp {
                    for (name, value) in worker.tcp_values() {
                        add(format!("tcp.{prefix}.{name}"), value);
                    }
                } else {
                    for (name, value) in worker.values() {
                        add(format!("http.{prefix}.{name}"), value);
                    }
                }
            }
        });
        for worker in &self.usage {
            for (name, value) in worker.values() {
                add(format!("wasm.{name}"), value);
            }
        }
        self.plugins.each(|plugin, counts| {
            for (name, value) in counts.values() {
                add(format!("wasm.{plugin}.{name}"), value);
            }
        });
        for runtime in &self.runtimes {
            add(format!("wasm.{}.created", runtime.name), runtime.created.get());
            add(format!("wasm.{}.active", runtime.name), runtime.active.get());
        }
        for (name, value) in metrics {
            if let MetricValue::Counter(value) | MetricValue::Gauge(value) = value {
                add(custom(name), *value);
            }
        }
        add("server.live".to_owned(), u64::from(self.is_live()));
        add("server.uptime".to_owned(), self.started.elapsed().as_secs());
        add("server.concurrency".to_owned(), self.workers as u64);
        values
    }
}

/// The name of a plugin's metric, which may hold anything, as part of a line.
fn custom(name: &str) -> String {
    format!("wasmcustom.{}", name.replace(|c: char| c.is_control(), "_"))
}
