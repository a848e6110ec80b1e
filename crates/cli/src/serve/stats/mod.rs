//! What the server and its plugins count, with Envoy's names.

mod counter;
mod histogram;
mod latch;
mod listener;
mod names;
mod observer;
mod plugin;
mod prometheus;
mod samples;
#[cfg(test)]
mod tests;
mod text;
mod usage;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Instant;

use enginebay::Plugin;
use enginebay::engine::Registry;
use enginebay::host::Shared;
use enginebay_code::Counters;
use tokio::sync::Notify;

use names::Names;
use usage::WorkerUsage;

pub(super) use latch::Latch;
pub(super) use listener::{ListenerCounts, ListenerStats};
pub(super) use plugin::PluginCounts;
pub(super) use samples::{Kind, Samples, Selection};

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
    codes: Arc<Counters>,
    asked: Notify,
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
            codes: Arc::default(),
            asked: Notify::new(),
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

    /// Counts what becomes of remote code.
    pub(super) fn codes(&self) -> Arc<dyn enginebay_code::Observer> {
        self.codes.clone()
    }

    /// The admin interface was asked for statistics.
    pub(super) fn ask(&self) {
        self.asked.notify_one();
    }

    /// Until it is.
    pub(super) async fn asked(&self) {
        self.asked.notified().await;
    }

    /// What there is now, as far as it is asked for.
    pub(super) fn samples(&self, selection: &Selection) -> Samples {
        let mut samples = Samples::default();
        self.listeners.each(|(tcp, prefix), workers| {
            for worker in workers {
                if *tcp {
                    for (kind, name, value) in worker.tcp_values() {
                        samples.add(kind, &format!("tcp.{prefix}.{name}"), value);
                    }
                } else {
                    for (kind, name, value) in worker.values() {
                        samples.add(kind, &format!("http.{prefix}.{name}"), value);
                    }
                }
            }
        });
        for worker in &self.usage {
            for (name, value) in worker.values() {
                samples.add(Kind::Gauge, &format!("wasm.{name}"), value);
            }
        }
        self.plugins.each(|plugin, counts| {
            for (kind, name, value) in counts.values() {
                samples.add(kind, &format!("wasm.{plugin}.{name}"), value);
            }
        });
        for RuntimeStats {
            name,
            created,
            active,
        } in &self.runtimes
        {
            samples.add(Kind::Counter, &format!("wasm.{name}.created"), created.get());
            samples.add(Kind::Gauge, &format!("wasm.{name}.active"), active.get());
            samples.add(Kind::Gauge, "wasm.wasm_vm_count", active.get());
        }
        for event in enginebay_code::Event::ALL {
            let name = format!("wasm.{}", event.name());
            samples.add(Kind::Counter, &name, self.codes.get(event));
        }
        let entries = self.codes.cache_entries() as u64;
        samples.add(Kind::Gauge, "wasm.remote_load_cache_entries", entries);
        for (name, value) in self.shared.metrics().snapshot() {
            samples.add_custom(&name, value);
        }
        let server = [
            ("live", u64::from(self.is_live())),
            ("uptime", self.started.elapsed().as_secs()),
            ("concurrency", self.workers as u64),
        ];
        for (name, value) in server {
            samples.add(Kind::Gauge, &format!("server.{name}"), value);
        }
        samples.select(selection);
        samples
    }
}
