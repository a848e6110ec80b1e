//! What host functions hold on to.

use std::rc::Rc;

use crate::state::State;

/// An instance's state, in the form in which wasmer takes it into a host function.
///
/// wasmer asks for functions that are `Send` and `Sync`, as a function may be one of the engine's own or of many threads.
#[derive(Clone)]
pub(crate) struct Captured(Rc<State>);

// SAFETY: a `Captured` is made on the thread that makes the instance, and is given to functions of that instance's
// store alone. The store lives in a `WasmerInstance` (or in the function that makes one), which is not `Send`: the `Rc`
// in the state sees to it. So the functions are made, called and dropped on one thread, and so is the `Captured`.
unsafe impl Send for Captured {}
// SAFETY: as above: no other thread ever has a reference to it.
unsafe impl Sync for Captured {}

impl Captured {
    pub(crate) fn new(state: &Rc<State>) -> Captured {
        Captured(Rc::clone(state))
    }

    #[inline]
    pub(crate) fn state(&self) -> &State {
        &self.0
    }
}
