//! The stacks that plugins with C entry points run on.

use std::cell::RefCell;

use corosensei::stack::DefaultStack;
use enginebay_engine::{Trap, TrapKind};

/// Size of each stack in bytes of address space; memory is taken as it is used, and kept. Host functions that a plugin
/// calls run on it too.
pub(crate) const STACK_SIZE: usize = 2 << 20;

thread_local! {
    /// Stacks that are not in use. There are never more than calls were once nested on this thread.
    static POOL: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
}

/// A stack out of the pool, which goes back when it is dropped.
pub(crate) struct PooledStack(Option<DefaultStack>);

impl PooledStack {
    #[inline]
    pub(crate) fn take() -> Result<Self, Trap> {
        // The pool is gone while the thread ends, and busy never.
        let pooled = POOL.try_with(|pool| pool.try_borrow_mut().ok()?.pop());
        match pooled {
            Ok(Some(stack)) => Ok(PooledStack(Some(stack))),
            _ => Self::new(),
        }
    }

    #[cold]
    fn new() -> Result<Self, Trap> {
        match DefaultStack::new(STACK_SIZE) {
            Ok(stack) => Ok(PooledStack(Some(stack))),
            Err(error) => Err(Trap::new(
                TrapKind::OutOfMemory,
                format!("no stack of {STACK_SIZE} bytes for a native plugin: {error}"),
            )),
        }
    }

    /// The stack, for one coroutine at a time.
    #[inline]
    pub(crate) fn get(&mut self) -> Option<&mut DefaultStack> {
        self.0.as_mut()
    }
}

impl Drop for PooledStack {
    #[inline]
    fn drop(&mut self) {
        if let Some(stack) = self.0.take() {
            let _ = POOL.try_with(|pool| {
                if let Ok(mut pool) = pool.try_borrow_mut() {
                    pool.push(stack);
                }
            });
        }
    }
}
