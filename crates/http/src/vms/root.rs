//! Root contexts.

use std::rc::Rc;

use enginebay::{ContextId, Vm};

use super::SharedVm;
use crate::handle::Handle;

/// A plugin's root context in a VM. Owned by the plugins that share it, and by their streams; it is over when all are gone,
/// and the plugin then decides whether it [lingers](super::linger).
pub(crate) struct Root {
    shared: Rc<SharedVm>,
    pub(crate) id: ContextId,
}

/// A context of a stream, in the VM that the stream began in.
#[derive(Clone)]
pub(crate) struct At {
    pub(crate) root: Rc<Root>,
    pub(crate) id: ContextId,
}

impl Root {
    pub(super) fn new(shared: Rc<SharedVm>, id: ContextId) -> Self {
        Root { shared, id }
    }

    #[inline]
    pub(crate) fn shared(&self) -> &SharedVm {
        &self.shared
    }

    #[inline]
    pub(crate) fn vm(&self) -> &Vm<Handle> {
        &self.shared.vm
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let vm = &self.shared.vm;
        // A failed VM has nothing to say.
        if vm.failure().is_none() {
            match vm.finish(self.id) {
                Ok(()) if vm.is_waiting(self.id) && self.shared.linger(self.id) => return,
                Ok(()) => {}
                Err(_) => self.shared.failed(),
            }
        }
        self.shared.gone(self.id);
    }
}
