//! What is counted of a plugin, by its name.

use enginebay_http::Reload;

use super::counter::Shared;

/// A plugin's numbers, of all its configurations together.
#[derive(Default)]
pub(in crate::serve) struct PluginCounts {
    pub(super) crashes: Shared,
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

    pub(super) fn values(&self) -> impl Iterator<Item = (&'static str, u64)> {
        [
            ("crashes", self.crashes.get()),
            ("vm_reload_success", self.reload_success.get()),
            ("vm_reload_failure", self.reload_failure.get()),
            ("vm_reload_backoff", self.reload_backoff.get()),
        ]
        .into_iter()
    }
}
