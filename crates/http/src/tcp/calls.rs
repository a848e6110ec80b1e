//! Calls into plugins, and what their failure does to a connection.

use std::rc::Rc;

use enginebay::{ContextId, Failure, Vm};

use super::filters::Cx;
use super::state::Closing;
use crate::context::Stopped;
use crate::handle::{Handle, Wake};

impl Cx {
    /// The context of a plugin that takes part in the connection.
    pub(super) fn context(&self, index: usize) -> Option<ContextId> {
        let state = self.connection.state();
        let slot = &state.slots[index];
        slot.context.filter(|_| !slot.skipped)
    }

    /// Calls a plugin that takes part in the connection.
    pub(super) fn call<R>(
        &self,
        index: usize,
        callback: impl FnOnce(&Vm<Handle>, ContextId) -> Result<R, Failure>,
    ) -> Result<Option<R>, Stopped> {
        let vm = &self.chain.filters[index].running.vm;
        let Some(id) = self.context(index) else {
            return Ok(None);
        };
        match callback(vm, id) {
            Ok(result) => {
                self.check()?;
                Ok(Some(result))
            }
            Err(_) => {
                self.failed(index, false)?;
                Ok(None)
            }
        }
    }

    /// What a failed VM means for the connection: the policy decides whether it goes on without the plugin. With
    /// `FAIL_OPEN`, a connection that the plugin knows does not, as on Envoy, whichever connection met the failure.
    #[cold]
    pub(super) fn failed(&self, index: usize, before_connection: bool) -> Result<(), Stopped> {
        let filter = &self.chain.filters[index];
        let goes_on = filter.lets_go_on(before_connection);
        {
            let mut state = self.connection.state();
            state.slots[index].skipped = true;
            if !goes_on {
                state.close(Closing::Failed);
            }
        }
        filter.wake_all();
        if !goes_on {
            self.connection.wake();
        }
        self.check()
    }

    pub(super) fn wait_for(&self, index: usize) {
        let context = {
            let mut state = self.connection.state();
            let slot = &mut state.slots[index];
            slot.context.filter(|_| !std::mem::replace(&mut slot.waits, true))
        };
        if let Some(id) = context {
            let connection = Rc::downgrade(&self.connection);
            self.chain.filters[index].wait(id.get(), connection);
        }
    }

    pub(super) fn no_longer_waits(&self, index: usize) {
        let context = {
            let mut state = self.connection.state();
            let slot = &mut state.slots[index];
            slot.context.filter(|_| std::mem::take(&mut slot.waits))
        };
        if let Some(id) = context {
            self.chain.filters[index].no_longer_waits(id.get());
        }
    }
}
