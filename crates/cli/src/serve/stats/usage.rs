//! What the VMs of a worker hold.

use enginebay_http::Usage;

use super::counter::Counter;

/// As last looked at by the worker. Aligned so that workers don't share cache lines.
#[derive(Default)]
#[repr(align(128))]
pub(in crate::serve) struct WorkerUsage {
    vms: Counter,
    roots: Counter,
    streams: Counter,
    callouts: Counter,
    buffered: Counter,
    memory: Counter,
}

impl WorkerUsage {
    /// Only the worker's thread may call this.
    pub(in crate::serve) fn set(&self, usage: Usage) {
        self.vms.set(usage.vms as u64);
        self.roots.set(usage.roots as u64);
        self.streams.set(usage.streams as u64);
        self.callouts.set(usage.callouts as u64);
        self.buffered.set(usage.buffered as u64);
        self.memory.set(usage.memory);
    }

    /// Names come after `wasm.`.
    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("vms_active", self.vms.get()),
            ("roots_active", self.roots.get()),
            ("streams_active", self.streams.get()),
            ("callouts_active", self.callouts.get()),
            ("buffered_bytes", self.buffered.get()),
            ("memory_bytes", self.memory.get()),
        ]
        .into_iter()
    }
}
