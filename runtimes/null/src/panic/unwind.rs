//! Ends a call from within the panic hook: steps 4 and 5 of the page.

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ops::ControlFlow;
use std::panic::PanicHookInfo;
use std::ptr;

use sjlj2::{JumpPoint, catch_long_jump};

use super::hook;

/// `_Unwind_Exception` of the Itanium C++ ABI, with room for the most private words that a platform asks for.
#[repr(C, align(16))]
struct Exception {
    class: u64,
    cleanup: Option<unsafe extern "C" fn(c_int, *mut Exception)>,
    private: [usize; 6],
}

type Stop = unsafe extern "C-unwind" fn(
    version: c_int,
    actions: c_int,
    class: u64,
    exception: *mut Exception,
    context: *mut c_void,
    argument: *mut c_void,
) -> c_int;

unsafe extern "C-unwind" {
    fn _Unwind_ForcedUnwind(exception: *mut Exception, stop: Stop, argument: *mut c_void) -> c_int;
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}

/// `_URC_NO_REASON`: go on.
const GO_ON: c_int = 0;
/// `_UA_END_OF_STACK`.
const END_OF_STACK: c_int = 16;

/// Where a call of C functions goes on when it is ended; null before it runs, and for a call of Rust all the way.
pub(crate) struct Landing(Cell<*mut ()>);

impl Default for Landing {
    #[inline]
    fn default() -> Self {
        Landing(Cell::new(ptr::null_mut()))
    }
}

impl Landing {
    /// Runs plugin code, which must not unwind. `None` when it was ended.
    #[inline]
    pub(crate) fn run<R>(&self, code: impl FnOnce() -> R) -> Option<R> {
        let outcome = catch_long_jump(|landing| {
            self.0.set(landing.as_raw());
            code()
        });
        match outcome {
            ControlFlow::Continue(result) => Some(result),
            ControlFlow::Break(_) => None,
        }
    }
}

/// How the panic hook ends a call.
pub(crate) struct Ending {
    /// A panic in a library has told the host that `abort` comes next.
    #[cfg(feature = "dylib")]
    aborting: Cell<bool>,
    /// Written by the hook, once, and kept here because the hook's frames don't outlive the unwinding.
    unwinding: UnsafeCell<MaybeUninit<Unwinding>>,
}

/// A call that is being ended.
struct Unwinding {
    exception: Exception,
    /// The frame that the unwinding came to last.
    frame: Cell<usize>,
    /// An address in the frame of std's that called the hook.
    caller: usize,
    /// Whether the landing pad of that frame was run.
    cleaned: Cell<bool>,
    landing: *mut (),
}

impl Default for Ending {
    fn default() -> Self {
        Ending {
            #[cfg(feature = "dylib")]
            aborting: Cell::new(false),
            unwinding: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

impl Ending {
    /// Leaves the plugin's code for good. Returns only in a call that can't be left.
    ///
    /// `info` is what the hook was given.
    pub(crate) fn stop(&self, landing: &Landing, info: &PanicHookInfo<'_>) {
        let landing = landing.0.get();
        if landing.is_null() {
            return;
        }
        let unwinding = self.unwinding.get().cast::<Unwinding>();
        // SAFETY: it lives as long as the call, and is used this once; `unwinds` takes what it is given here.
        unsafe {
            unwinding.write(Unwinding {
                exception: Exception {
                    class: u64::from_be_bytes(*b"EBAYnull"),
                    cleanup: None,
                    private: [0; 6],
                },
                frame: Cell::new(0),
                caller: ptr::from_ref(info).addr(),
                cleaned: Cell::new(false),
                landing,
            });
            _Unwind_ForcedUnwind(&raw mut (*unwinding).exception, unwinds, unwinding.cast());
        }
        // Some frame can't be unwound. The one that holds std's lock may be behind it.
        hook::locked();
        // SAFETY: this is called by the hook, from the plugin's code that `run` runs, when it came to a function that can't
        // unwind. What is left is frames of the hook.
        unsafe { leave(landing) }
    }

    /// Says that an `abort` may come, and that it can be stopped.
    #[cfg(feature = "dylib")]
    pub(crate) fn expect_abort(&self) {
        self.aborting.set(true);
    }

    /// Whether the call was ended by [`Ending::stop_aborting`].
    pub(crate) fn is_aborting(&self) -> bool {
        #[cfg(feature = "dylib")]
        return self.aborting.get();
        #[cfg(not(feature = "dylib"))]
        false
    }

    /// In a handler of the signal that `abort` raises: leaves the plugin's code for good if a panic came first.
    #[cfg(feature = "dylib")]
    pub(crate) fn stop_aborting(&self, landing: &Landing) {
        let landing = landing.0.get();
        if self.aborting.get() && !landing.is_null() {
            // SAFETY: this is called by a signal in `abort`, from the plugin's code that `run` runs. That panicked, and what
            // of it can unwind did.
            unsafe { leave(landing) }
        }
    }
}

impl Unwinding {
    /// Whether the unwinding has gone far enough when it comes to this frame, given as the lowest address in it.
    fn is_enough(&self, actions: c_int, frame: usize) -> bool {
        let again = self.frame.replace(frame) == frame;
        if actions & END_OF_STACK != 0 {
            return true;
        }
        if frame <= self.caller {
            // Those of the hook, and last the one that called it. The hook's may have landing pads too, in builds
            // without optimisations.
            self.cleaned.set(again);
            return false;
        }
        if !self.cleaned.get() {
            // Not the standard library that this was written for. The next landing pad could be the plugin's own,
            // which would end the process: better a hook that can't be replaced.
            hook::locked();
        }
        true
    }
}

/// Leaves the plugin's code for the place where its call goes on.
///
/// # Safety
/// `landing` was set by [`Landing::run`], which has not returned. What was called since then and has something to drop was
/// unwound, up to a function that can't unwind. Of a start function, what called that one may be left as it is, and is never
/// looked at again.
unsafe fn leave(landing: *mut ()) -> ! {
    // SAFETY: the caller's promise.
    unsafe { JumpPoint::from_raw(landing).long_jump(0) }
}

/// Asked before each frame. Each is seen once, and once more after its landing pad, if it has one.
unsafe extern "C-unwind" fn unwinds(
    _version: c_int,
    actions: c_int,
    _class: u64,
    _exception: *mut Exception,
    context: *mut c_void,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the argument is what `stop` gave.
    let unwinding = unsafe { &*argument.cast_const().cast::<Unwinding>() };
    // SAFETY: the unwinder's own context.
    let frame = unsafe { _Unwind_GetCFA(context) };
    if unwinding.is_enough(actions, frame) {
        // SAFETY: `stop` found it set, in code that `run` runs. The frames of the hook are unwound, and so is the one of
        // std's that called it; the next is the function that can't unwind.
        unsafe { leave(unwinding.landing) }
    }
    GO_ON
}
