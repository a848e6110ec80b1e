//! What is counted of a plugin, by its name.

use enginebay::host::Work;
use enginebay_http::Reload;

use super::counter::Shared;
use super::samples::Kind;

/// A plugin's numbers, of all its configurations and VMs together.
#[derive(Default)]
pub(in crate::serve) struct PluginCounts {
    pub(super) crashes: Shared,
    calls: Shared,
    time_ns: Shared,
    limit_hits: Shared,
    memory: Shared,
    reload_success: Shared,
    reload_failure: Shared,
    reload_backoff: Shared,
}

impl PluginCounts {
    pub(super) fn reload(&self, reload: Reload) {
        match reload {
            Reload::Success => self.reload_success.raise(),
            Reload::Failure => self.reload_failure.raise(),
            Reload::BackOff => self.reload_backoff.raise(),
        }
    }

    pub(super) fn worked(&self, work: &Work) {
        self.calls.add(work.calls);
        self.time_ns.add(work.time_ns);
        self.limit_hits.add(work.limit_hits);
    }

    pub(super) fn memory(&self, before: u64, now: u64) {
        self.memory.change(before, now);
    }

    pub(super) fn values(&self) -> impl Iterator<Item = (Kind, &'static str, u64)> {
        [
            (Kind::Counter, "calls", self.calls.get()),
            (Kind::Counter, "crashes", self.crashes.get()),
            (Kind::Counter, "guest_time_ns", self.time_ns.get()),
            (Kind::Counter, "limit_hits", self.limit_hits.get()),
            (Kind::Gauge, "vm_memory_size", self.memory.get()),
            // Envoy 1.40 has it and never raises it.
            (Kind::Counter, "vm_reload", 0),
            (Kind::Counter, "vm_reload_success", self.reload_success.get()),
            (Kind::Counter, "vm_reload_failure", self.reload_failure.get()),
            (Kind::Counter, "vm_reload_backoff", self.reload_backoff.get()),
        ]
        .into_iter()
    }
}
