//! Contexts that are over and wait for the plugin's `proxy_done`.

use enginebay_abi::LogLevel;

use super::{ContextId, Vm};
use crate::{Failure, StreamState};

impl<S: StreamState> Vm<S> {
    /// Whether a context was [finished](Vm::finish) and waits for the plugin's `proxy_done`: `proxy_on_done` returned false.
    pub fn is_waiting(&self, id: ContextId) -> bool {
        let contexts = self.state.contexts.borrow();
        contexts.get(id.0).is_some_and(|context| context.pending_done)
    }

    /// Ends a context that waits for the plugin's `proxy_done` without waiting any longer: `proxy_on_delete`. `why` is logged as a
    /// warning. Does nothing for a context that does not wait.
    ///
    /// # Errors
    /// When the VM failed, or fails now. The context is gone in any case.
    pub fn end_waiting(&self, id: ContextId, why: &str) -> Result<(), Failure> {
        self.check()?;
        // From here on a `proxy_done` finds nothing to end.
        if !self.state.contexts.borrow_mut().end_pending(id.0) {
            return Ok(());
        }
        let name = self.plugin(id).map(|plugin| plugin.name.clone());
        let name = name.unwrap_or_default();
        self.state.log(
            LogLevel::Warn,
            &format!("plugin {name}: a context was deleted before its time: {why}"),
        );
        self.delete(id.0)
    }
}
