//! Where compiled code finds its deadline.

use std::ptr::NonNull;
use std::sync::atomic::AtomicI64;

use wasmer::{AsStoreMut, Extern, Global};

/// Where an instance's deadline is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Deadline(NonNull<AtomicI64>);

// SAFETY: what it points to is only used as an atomic.
unsafe impl Send for Deadline {}

impl Deadline {
    /// The place of this global, which must be one of type `i64` that the guest can't export or write to, in a store that
    /// outlives every use of the result: see [`Timer`](enginebay_engine::Timer), its only holder.
    pub(crate) fn new(store: &mut impl AsStoreMut, global: Global) -> Option<Deadline> {
        let wasmer::sys::vm::VMExtern::Global(handle) = Extern::Global(global).to_vm_extern().unwrap_sys()
        else {
            return None;
        };
        let place = handle.get(store.objects_mut().as_sys()).vmglobal();
        Some(Deadline(place.cast()))
    }
}

impl enginebay_engine::Deadline for Deadline {
    #[inline]
    fn word(&self) -> &AtomicI64 {
        // SAFETY: a global's place is aligned to 16 bytes, holds 8 bytes of an i64, and does not move while its store
        // lives. The `Timer` that has this deadline, and that alone gives it to the clock, is dropped before the store,
        // and takes it back from the clock under the lock that the clock reads it under. All of Rust uses it as an
        // atomic; compiled code reads it with one aligned load, and does not write to it.
        unsafe { self.0.as_ref() }
    }
}
