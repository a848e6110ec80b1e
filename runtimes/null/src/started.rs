//! Which plugin's constructors the linked SDK has.
//!
//! The SDK keeps one set of contexts for each thread, with one function that makes root contexts: the one that was set
//! last. Plugins that share the SDK take turns: before one of them makes a context, its start function runs again if
//! another one's ran last on this thread.

use std::cell::Cell;
use std::ptr;

use crate::module::Program;

thread_local! {
    /// The start function that ran last.
    static LAST: Cell<Option<fn()>> = const { Cell::new(None) };
}

/// Runs the start function of a plugin.
pub(crate) fn start(program: &Program) {
    if let Some(start) = program.start {
        // Not before it is over: one that panics has set nothing, or not all.
        LAST.set(None);
        start();
        LAST.set(Some(start));
    }
}

/// Whether the SDK has the constructors of this plugin, if it is one that shares the SDK.
#[inline]
pub(crate) fn is_last(program: &Program) -> bool {
    let Some(mine) = program.start else {
        return true;
    };
    // Two functions with one address do the same.
    LAST.get().is_some_and(|last| ptr::fn_addr_eq(last, mine))
}
