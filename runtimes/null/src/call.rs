//! Calls into plugins.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use corosensei::{Coroutine, CoroutineResult, Yielder};
use enginebay_engine::{HostError, Trap, TrapKind, invoke};

use crate::active::Entered;
use crate::host_functions::Function;
use crate::instance::{Running, State};
use crate::module::NO_IMPORT;
use crate::panic::{Panics, Recovery, repair};
use crate::stacks::PooledStack;
use crate::status;

/// How many calls may run one inside the other. Each has a stack of its own, and host functions use the one of the call
/// they answer.
const MAX_DEPTH: u32 = 32;

/// The log level of a panic's message.
const CRITICAL: u64 = 5;

/// One call into a plugin: an outermost one, or one that a host function makes back into it.
pub(crate) struct Call<'a> {
    state: &'a State,
    /// Set with `error`: the plugin gets no further host function.
    failed: Cell<bool>,
    /// The error of a host function, which can't unwind through the plugin and waits here for its end.
    error: Cell<Option<HostError>>,
    /// What the panic hook heard of this call.
    pub(crate) panics: Panics,
    /// How the panic hook ends the call, where it can be ended.
    pub(crate) recovery: Recovery,
}

/// How a plugin's code came to an end.
enum End<R> {
    Returned(R),
    /// A panic that came out of it.
    Unwound(Box<dyn Any + Send>),
    /// A panic that the hook stopped at a function that can't unwind.
    Stopped,
}

impl<'a> Call<'a> {
    /// Runs plugin code that is reached through C functions: no panic of it can unwind to here.
    #[inline]
    pub(crate) fn on_stack<R>(state: &'a State, code: impl FnOnce() -> R) -> Result<R, Trap> {
        Self::run(state, |call| {
            let mut stack = PooledStack::take()?;
            let Some(stack) = stack.get() else {
                return Err(Trap::new(TrapKind::OutOfMemory, "no stack"));
            };
            let panicking = std::thread::panicking();
            let mut result = None;
            let body = |yielder: &Yielder<(), ()>, ()| {
                call.recovery.set_yielder(yielder);
                result = Some(catch_unwind(AssertUnwindSafe(code)));
            };
            // SAFETY: the coroutine is over when this function is, and all it borrows is older.
            let mut coroutine =
                unsafe { Coroutine::<(), (), (), _>::with_stack_unchecked(&mut *stack, body) };
            // SAFETY: `call` is borrowed for longer than that.
            let entered = unsafe { Entered::plugin(call) };
            let outcome = coroutine.resume(());
            drop(entered);
            if let CoroutineResult::Yield(()) = outcome {
                // SAFETY: only the panic hook suspends a coroutine, in a function that can't unwind. What is on the
                // stack below it was unwound, and what is above it is the frames of this crate that called the
                // plugin, without anything to drop.
                unsafe { coroutine.force_reset() };
                drop(coroutine);
                // A library counts its panics itself.
                if !call.recovery.is_aborting() {
                    repair(panicking);
                }
                return Ok(End::Stopped);
            }
            drop(coroutine);
            match result {
                Some(Ok(result)) => Ok(End::Returned(result)),
                Some(Err(payload)) => Ok(End::Unwound(payload)),
                None => Err(Trap::new(TrapKind::Other, "the plugin's code did not run")),
            }
        })
    }

    /// Runs plugin code that is Rust all the way, so that a panic unwinds to here. The code gets its own call.
    #[inline]
    pub(crate) fn here<R>(state: &'a State, code: impl FnOnce(&Call<'a>) -> R) -> Result<R, Trap> {
        Self::run(state, |call| {
            // SAFETY: `call` is borrowed for longer than that.
            let entered = unsafe { Entered::plugin(call) };
            let result = catch_unwind(AssertUnwindSafe(|| code(call)));
            drop(entered);
            Ok(match result {
                Ok(result) => End::Returned(result),
                Err(payload) => End::Unwound(payload),
            })
        })
    }

    #[inline]
    fn run<R>(state: &'a State, code: impl FnOnce(&Call<'a>) -> Result<End<R>, Trap>) -> Result<R, Trap> {
        let depth = state.depth.get();
        if depth >= MAX_DEPTH {
            return Err(Trap::nested_too_deep(MAX_DEPTH));
        }
        state.depth.set(depth + 1);
        let call = Call {
            state,
            failed: Cell::new(false),
            error: Cell::new(None),
            panics: Panics::default(),
            recovery: Recovery::default(),
        };
        let end = code(&call);
        let result = match end {
            Ok(End::Returned(result)) if !call.failed.get() => Ok(result),
            end => Err(call.into_trap(end)),
        };
        state.depth.set(depth);
        result
    }

    /// What to say of a call that did not return, or should not have.
    #[cold]
    fn into_trap<R>(self, end: Result<End<R>, Trap>) -> Trap {
        let end = match end {
            Ok(end) => end,
            Err(trap) => return trap,
        };
        if let Some(error) = self.error.take() {
            // What the plugin did when it was told of the failure does not matter.
            forget_payload(end);
            return Trap::from_host_error(error);
        }
        forget_payload(end);
        let text = self.panics.first();
        if !self.recovery.is_aborting() {
            self.log(&text);
        }
        Trap::new(TrapKind::Unreachable, one_line(&text))
    }

    /// Tells the host of a panic, as the SDK does in WebAssembly.
    fn log(&self, text: &str) {
        let args = [
            CRITICAL,
            text.as_ptr().expose_provenance() as u64,
            text.len() as u64,
        ];
        // The panic is what ends the call, whatever becomes of its message.
        let _ = self.invoke(Function::proxy_log, &args);
    }

    /// What a host function of this crate's symbols does: the status for the plugin.
    #[inline]
    pub(crate) fn host_call(&self, function: Function, args: &[u64]) -> u32 {
        #[cfg(feature = "dylib")]
        if function == Function::proxy_log && self.state.program.is_library() && self.heard_panic(args) {
            return status::OK;
        }
        if self.failed.get() {
            return status::INTERNAL_FAILURE;
        }
        let status = match self.invoke(function, args) {
            Ok(Some(word)) => word as u32,
            Ok(None) => status::UNIMPLEMENTED,
            Err(error) => {
                self.fail(error);
                status::INTERNAL_FAILURE
            }
        };
        self.state.program.statuses.restrict(status)
    }

    /// Listens for what the panic hook of a library logs, which is all that is heard of its panics: see
    /// [`dylib`](crate::dylib). True for a message that was dealt with.
    #[cfg(feature = "dylib")]
    pub(crate) fn heard_panic(&self, args: &[u64]) -> bool {
        use enginebay_engine::ForeignMemory;
        let &[CRITICAL, data, size] = args else {
            return false;
        };
        let Ok(text) = crate::memory::AddressSpace
            .read(data, size)
            .map(String::from_utf8_lossy)
        else {
            return false;
        };
        if !text.starts_with("panicked at ") {
            return false;
        }
        if text.ends_with(":\npanic in a function that cannot unwind") {
            return true;
        }
        if text.ends_with(":\npanic in a destructor during cleanup") {
            self.panics.note_cleanup();
            return true;
        }
        self.panics.note(text.into_owned());
        // In a library that was built not to unwind, `abort` comes next.
        self.recovery.expect_abort();
        if !self.failed.get()
            && let Err(error) = self.invoke(Function::proxy_log, args)
        {
            self.fail(error);
        }
        // Whatever the host said of it: a hook that is told of a failure panics, which ends the process.
        true
    }

    #[cold]
    fn fail(&self, error: HostError) {
        self.error.set(Some(error));
        self.failed.set(true);
    }

    /// Calls the host; `None` when it doesn't offer the function.
    #[inline]
    fn invoke(&self, function: Function, args: &[u64]) -> Result<Option<u64>, HostError> {
        let index = self.state.program.imports[function as usize];
        if index == NO_IMPORT {
            return Ok(None);
        }
        let _entered = Entered::host();
        invoke(
            &*self.state.host,
            usize::from(index),
            &mut Running::new(self.state),
            args,
        )
        .map(Some)
    }

    /// The instance that is called.
    pub(crate) fn state(&self) -> &'a State {
        self.state
    }
}

/// Lets go of what a panic carried. Its destructor is the plugin's, and may panic itself.
fn forget_payload<R>(end: End<R>) {
    if let End::Unwound(payload) = end
        && let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload)))
    {
        std::mem::forget(second);
    }
}

/// A panic's text comes in two lines or more: where, and what.
fn one_line(text: &str) -> String {
    text.split('\n')
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}
