//! Calls into plugins.

use std::any::Any;
use std::cell::{Cell, OnceCell};
use std::panic::{AssertUnwindSafe, PanicHookInfo, catch_unwind};

use enginebay_engine::{HostError, Trap, TrapKind, invoke};

use crate::active::Entered;
use crate::host_functions::Function;
use crate::instance::{Running, State};
use crate::module::NO_IMPORT;
use crate::panic::{Ending, Landing, Panics, repair};
use crate::status;

/// How many calls may run one inside the other. All are on the stack of the thread.
const MAX_DEPTH: u32 = 32;

/// The log level of a panic's message.
const CRITICAL: u64 = 5;

/// One call into a plugin: an outermost one, or one that a host function makes back into it.
pub(crate) struct Call<'a> {
    state: &'a State,
    /// Where the call goes on when the panic hook ends it.
    landing: Landing,
    /// What most calls don't have.
    trouble: OnceCell<Box<Trouble>>,
}

/// What went wrong in a call.
#[derive(Default)]
pub(crate) struct Trouble {
    /// Set with `error`: the plugin gets no further host function.
    failed: Cell<bool>,
    /// The error of a host function, which can't unwind through the plugin and waits here for its end.
    error: Cell<Option<HostError>>,
    /// What the panic hook heard of the call.
    pub(crate) panics: Panics,
    ending: Ending,
}

/// How a plugin's code came to an end: what it returned, or else a panic. Of one that came out of it, there is what the
/// panic carried; of one that the hook stopped at a function that can't unwind, nothing.
type End<R> = Result<R, Option<Payload>>;

type Payload = Box<dyn Any + Send>;

impl<'a> Call<'a> {
    /// Runs a C function of the plugin, which can't unwind.
    #[inline(always)]
    pub(crate) fn of_c<R>(state: &'a State, code: impl FnOnce() -> R) -> Result<R, Trap> {
        Self::run(state, |call| call.land(code))
    }

    /// Runs a start function of the plugin: Rust that may call a C function, so that a panic ends in either way.
    pub(crate) fn of_start(state: &'a State, code: impl FnOnce()) -> Result<(), Trap> {
        Self::run(state, |call| call.land(|| catch(code))?)
    }

    /// Runs plugin code that is Rust all the way, so that a panic unwinds to here. The code gets its own call.
    #[inline]
    pub(crate) fn of_rust<R>(state: &'a State, code: impl FnOnce(&Call<'a>) -> R) -> Result<R, Trap> {
        Self::run(state, |call| {
            // SAFETY: `call` is borrowed for longer than that.
            let entered = unsafe { Entered::plugin(call) };
            let end = catch(|| code(call));
            drop(entered);
            end
        })
    }

    /// Runs plugin code to its end, or until the panic hook ends it.
    #[inline(always)]
    fn land<R>(&self, code: impl FnOnce() -> R) -> End<R> {
        let panicking = std::thread::panicking();
        // SAFETY: `self` is borrowed for longer than that.
        let entered = unsafe { Entered::plugin(self) };
        let outcome = self.landing.run(code);
        drop(entered);
        match outcome {
            Some(result) => Ok(result),
            None => {
                self.stopped(panicking);
                Err(None)
            }
        }
    }

    #[inline(always)]
    fn run<R>(state: &'a State, code: impl FnOnce(&Call<'a>) -> End<R>) -> Result<R, Trap> {
        let depth = state.depth.get();
        if depth >= MAX_DEPTH {
            return Err(Trap::nested_too_deep(MAX_DEPTH));
        }
        state.depth.set(depth + 1);
        let call = Call {
            state,
            landing: Landing::default(),
            trouble: OnceCell::new(),
        };
        let result = match code(&call) {
            Ok(result) if !call.has_failed() => Ok(result),
            end => Err(call.trap(end.err().flatten())),
        };
        state.depth.set(depth);
        result
    }

    /// After the panic hook ended the plugin's code. `panicking` is whether the thread panicked before that code ran.
    #[cold]
    fn stopped(&self, panicking: bool) {
        // A library counts its panics itself.
        if !self.trouble().ending.is_aborting() {
            repair(panicking);
        }
    }

    /// What comes of a call that panicked, or in which a host function failed. A panic that the plugin caught is nothing.
    #[cold]
    fn trap(&self, payload: Option<Payload>) -> Trap {
        let trouble = self.trouble();
        forget(payload);
        // What the plugin did when it was told of a failure does not matter.
        if let Some(error) = trouble.error.take() {
            return Trap::from_host_error(error);
        }
        let text = trouble.panics.first();
        if !trouble.ending.is_aborting() {
            self.log(&text);
        }
        Trap::new(TrapKind::Unreachable, one_line(&text))
    }

    pub(crate) fn trouble(&self) -> &Trouble {
        self.trouble.get_or_init(Box::default)
    }

    /// In the panic hook, at a function that can't unwind: ends the call. Returns where that can't be done.
    pub(crate) fn stop(&self, info: &PanicHookInfo<'_>) {
        self.trouble().ending.stop(&self.landing, info);
    }

    /// In a handler of the signal that `abort` raises: ends the call if a panic came first.
    #[cfg(all(unix, feature = "dylib"))]
    pub(crate) fn stop_aborting(&self) {
        if let Some(trouble) = self.trouble.get() {
            trouble.ending.stop_aborting(&self.landing);
        }
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
        if self.has_failed() {
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
            self.trouble().panics.note_cleanup();
            return true;
        }
        self.trouble().panics.note(text.into_owned());
        // In a library that was built not to unwind, `abort` comes next.
        self.trouble().ending.expect_abort();
        if !self.has_failed()
            && let Err(error) = self.invoke(Function::proxy_log, args)
        {
            self.fail(error);
        }
        // Whatever the host said of it: a hook that is told of a failure panics, which ends the process.
        true
    }

    #[inline]
    fn has_failed(&self) -> bool {
        self.trouble.get().is_some_and(|trouble| trouble.failed.get())
    }

    #[cold]
    fn fail(&self, error: HostError) {
        let trouble = self.trouble();
        trouble.error.set(Some(error));
        trouble.failed.set(true);
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

/// Runs code that unwinds when it panics.
#[inline]
fn catch<R>(code: impl FnOnce() -> R) -> End<R> {
    catch_unwind(AssertUnwindSafe(code)).map_err(Some)
}

/// Lets go of what a panic carried. Its destructor is the plugin's, and may panic itself.
fn forget(payload: Option<Payload>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
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
