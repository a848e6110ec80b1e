//! Calls into plugins, and what their failure does to a connection.

use std::rc::Rc;

use enginebay::{ContextId, Failure, Vm};

use super::filters::Cx;
use super::state::Closing;
use crate::context::Stopped;
use crate::handle::{Handle, Wake};
use crate::vms::{At, Root};

impl Cx {
    /// The context of a plugin that takes part in the connection.
    pub(super) fn at(&self, index: usize) -> Option<At> {
        let state = self.connection.state();
        let slot = &state.slots[index];
        slot.at.as_ref().filter(|_| !slot.skipped).cloned()
    }

    /// Calls a plugin that takes part in the connection.
    pub(super) fn call<R>(
        &self,
        index: usize,
        callback: impl FnOnce(&Vm<Handle>, ContextId) -> Result<R, Failure>,
    ) -> Result<Option<R>, Stopped> {
        let Some(At { root, id }) = self.at(index) else {
            return Ok(None);
        };
        match callback(root.vm(), id) {
            Ok(result) => {
                self.check()?;
                Ok(Some(result))
            }
            Err(_) => {
                self.failed(index, &root, false)?;
                Ok(None)
            }
        }
    }

    /// What a failed VM means for the connection: the policy decides whether it goes on without the plugin. With
    /// `FAIL_OPEN`, a connection that the plugin knows does not, as on Envoy, whichever connection met the failure.
    #[cold]
    pub(super) fn failed(&self, index: usize, root: &Root, before_connection: bool) -> Result<(), Stopped> {
        let filter = &self.chain.filters[index];
        let goes_on = filter.lets_go_on(before_connection);
        {
            let mut state = self.connection.state();
            state.slots[index].skipped = true;
            if !goes_on {
                state.close(Closing::Failed);
            }
        }
        root.shared().failed();
        if !goes_on {
            self.connection.wake();
        }
        self.check()
    }

    pub(super) fn wait_for(&self, index: usize) {
        let mut state = self.connection.state();
        let slot = &mut state.slots[index];
        if let Some(at) = slot
            .at
            .as_ref()
            .filter(|_| !std::mem::replace(&mut slot.waits, true))
        {
            at.root
                .shared()
                .wait(at.id, Rc::downgrade(&self.connection) as _, index);
        }
    }

    pub(super) fn no_longer_waits(&self, index: usize) {
        let mut state = self.connection.state();
        let slot = &mut state.slots[index];
        if let Some(at) = slot.at.as_ref().filter(|_| std::mem::take(&mut slot.waits)) {
            at.root.shared().no_longer_waits(at.id);
        }
    }
}
