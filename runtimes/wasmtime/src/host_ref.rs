//! A reference to the host that does not borrow the store.
//!
//! A host function needs the host, which the store owns, and the store itself, to reach the guest. Cloning the `Rc`
//! for each call would do, and costs as much as the rest of the crossing: a count up and a count down in memory, each
//! waiting for the one before.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::rc::Rc;

use enginebay_engine::Host;

/// A host, owned, that can be referred to while what holds it is borrowed mutably.
pub(crate) struct HostRef {
    /// Keeps the host alive, and is never taken out or replaced.
    _owner: Rc<dyn Host>,
    host: NonNull<dyn Host>,
}

impl HostRef {
    pub(crate) fn new(owner: Rc<dyn Host>) -> Self {
        HostRef {
            host: NonNull::from(&*owner),
            _owner: owner,
        }
    }

    /// The host, for the length of a host call.
    ///
    /// # Safety
    /// The `HostRef` must outlive the reference: it is in a store's data, and the store must not be dropped, nor its
    /// data replaced, for as long as the reference is used.
    #[inline]
    pub(crate) unsafe fn get<'a>(&self) -> &'a dyn Host {
        // SAFETY: the pointer comes from an `Rc` that lives as long as `self`, which the caller keeps alive. Nobody has
        // a mutable reference to what is in an `Rc` that is shared.
        unsafe { self.host.as_ref() }
    }
}

/// Runs a host function on the host of the store that `caller` belongs to.
#[inline]
pub(crate) fn call(
    caller: wasmtime::Caller<'_, crate::instance::Data>,
    function: usize,
    args: &[u64],
) -> Result<u64, enginebay_engine::HostError> {
    // SAFETY: a `Caller` exists only while its store runs the guest, so the store outlives this function; and nothing in
    // this crate replaces a store's data or its host.
    let host = unsafe { caller.data().host.get() };
    host.call(function, &mut crate::instance::Running(caller), args)
}
