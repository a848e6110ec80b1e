//! Where compiled code finds its deadline.
#![allow(unsafe_code)]

use std::ptr::NonNull;
use std::sync::atomic::AtomicI64;

use wasmtime::{AsContext, Memory};

use crate::prepare;

/// Where an instance's deadline is.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Deadline(NonNull<AtomicI64>);

// SAFETY: what it points to is only used as an atomic.
unsafe impl Send for Deadline {}

impl Deadline {
    /// The place in this memory, which must be the one that [`prepare`] adds, in a store that outlives every use of the result:
    /// see [`WasmtimeInstance`](crate::instance::WasmtimeInstance).
    pub(crate) fn new(store: impl AsContext, memory: Memory) -> Option<Deadline> {
        let place = memory.data_ptr(&store).cast::<AtomicI64>();
        let large_enough = memory.data_size(&store) >= prepare::DEADLINE as usize + size_of::<AtomicI64>();
        (large_enough && place.is_aligned())
            .then(|| NonNull::new(place).map(Deadline))
            .flatten()
    }
}

impl enginebay_engine::Deadline for Deadline {
    #[inline]
    fn word(&self) -> &AtomicI64 {
        // SAFETY: `new` has seen that the memory has these bytes, and that they are aligned. It can't grow, so it does not move
        // while its store lives. Whoever has this deadline is done with it before the store is dropped; the clock lets go of
        // it when the instance's `Timer` is dropped, under the lock that it looks at it under. Only compiled code knows the
        // memory, which reads these bytes with one aligned load, and does not write to them; all of Rust uses them as an
        // atomic.
        unsafe { self.0.as_ref() }
    }
}
