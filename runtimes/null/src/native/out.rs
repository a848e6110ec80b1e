//! Places that host functions write results to.

use std::cell::UnsafeCell;

/// A number that a host function writes.
pub(super) struct Out<T>(UnsafeCell<T>);

impl<T: Copy + Default> Out<T> {
    pub(super) fn new() -> Self {
        Out(UnsafeCell::new(T::default()))
    }

    /// The address to give to the host.
    pub(super) fn address(&self) -> u64 {
        self.0.get().expose_provenance() as u64
    }

    pub(super) fn get(&self) -> T {
        // SAFETY: the host writes while its function runs, on this thread, and at no other time. All bit patterns of
        // the numbers that `T` is are valid.
        unsafe { *self.0.get() }
    }
}
