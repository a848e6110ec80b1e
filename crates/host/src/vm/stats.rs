//! The callback of stats sinks, which is in no specification. Envoy calls it.

use enginebay_abi::Callback;

use super::{ContextId, Vm};
use crate::{Failure, StreamState};

impl<S: StreamState> Vm<S> {
    /// `envoy_on_stats_update` of a root context, which can read `update` from the buffer `FOREIGN_FUNCTION_ARGUMENTS`
    /// (Envoy's `CallData`): an encoded [`StatsUpdate`](enginebay_abi::StatsUpdate). A plugin without the callback is told of
    /// nothing.
    ///
    /// # Errors
    /// When the VM failed, or fails now.
    pub fn on_stats_update(&self, root: ContextId, update: &[u8]) -> Result<(), Failure> {
        self.check()?;
        if !self.program().has_callback(Callback::EnvoyOnStatsUpdate) {
            return Ok(());
        }
        let args = [u64::from(root.0), update.len() as u64];
        let before = self.state.arguments.replace(Some(update.into()));
        let result = self.callback(Callback::EnvoyOnStatsUpdate, root.0, &args, 0);
        self.state.arguments.replace(before);
        result.map(|_| ())
    }
}
