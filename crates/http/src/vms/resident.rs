//! Plugins without streams.

use enginebay::{Failure, Plugin};

use super::{LocalPlugin, LocalVms};

/// A plugin that was started for its timers, queues and callouts alone (`envoy.bootstrap.wasm`), or to be told of
/// statistics (`envoy.stat_sinks.wasm`). It stays as long as this is there.
pub struct Resident(LocalPlugin);

impl LocalVms {
    /// Starts a plugin that has no streams, unless its root context is there already: then that is shared.
    ///
    /// # Errors
    /// It can't be started.
    pub fn reside(&self, plugin: &Plugin) -> Result<Resident, Failure> {
        self.plugin(plugin).map(Resident)
    }
}

impl Resident {
    /// The plugin.
    pub fn plugin(&self) -> &Plugin {
        self.0.plugin()
    }

    /// Tells the plugin of counters and gauges, an encoded [`StatsUpdate`](enginebay::abi::StatsUpdate)
    /// (`envoy_on_stats_update`): what a stats sink is there for. One that is absent or failed is told of nothing, nor is one
    /// that does not have the callback.
    pub fn on_stats_update(&self, update: &[u8]) {
        if let Some(root) = self.0.for_stream()
            && root.vm().failure().is_none()
            && root.vm().on_stats_update(root.id, update).is_err()
        {
            root.shared().failed();
        }
    }

    /// Starts the plugin anew if its VM failed, its policy is `FAIL_RELOAD`, and its back-off is over: to be called from time
    /// to time, as there is no stream that would.
    pub fn revive(&self) {
        drop(self.0.for_stream());
    }
}
