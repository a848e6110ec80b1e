//! Stacks of more than one size in one process.
//!
//! wasmer keeps used stacks, one for each thread and a heap for all, and hands out any that is not too small.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use wasmer::sys::vm::drain_stack_pool;

/// The size of the first engine's stacks.
static FIRST: AtomicUsize = AtomicUsize::new(0);

/// Whether there are engines with stacks of another size.
static MIXED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// The size of the stacks that this thread used last, as far as it matters.
    static LAST: Cell<usize> = const { Cell::new(0) };
}

/// Notes that an engine uses stacks of this size.
pub(crate) fn announce(size: usize) {
    if let Err(first) = FIRST.compare_exchange(0, size, Ordering::Relaxed, Ordering::Relaxed)
        && first != size
    {
        MIXED.store(true, Ordering::Relaxed);
    }
}

/// Sees to it that an outermost call finds no stack that is too large.
#[inline]
pub(crate) fn prepare(size: usize) {
    if MIXED.load(Ordering::Relaxed) {
        change(size);
    }
}

#[cold]
fn change(size: usize) {
    if LAST.replace(size) != size {
        drain_stack_pool();
    }
}
