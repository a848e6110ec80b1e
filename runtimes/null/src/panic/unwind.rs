//! Ends a call from within the panic hook: steps 4 and 5 of the page.

use std::cell::{Cell, UnsafeCell};
use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::panic::PanicHookInfo;
use std::ptr;

use corosensei::Yielder;

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

/// How a call that runs in a coroutine is ended by the panic hook.
pub(crate) struct Recovery {
    /// Suspends the coroutine; null before it runs, and for a call that runs in none.
    yielder: Cell<*const Yielder<(), ()>>,
    /// The frame that the unwinding came to last.
    frame: Cell<usize>,
    /// An address in the frame of std's that called the hook.
    caller: Cell<usize>,
    /// Whether the landing pad of that frame was run.
    cleaned: Cell<bool>,
    /// A panic in a library has told the host that `abort` comes next.
    #[cfg(feature = "dylib")]
    aborting: Cell<bool>,
    exception: UnsafeCell<MaybeUninit<Exception>>,
}

impl Default for Recovery {
    #[inline]
    fn default() -> Self {
        Recovery {
            yielder: Cell::new(ptr::null()),
            frame: Cell::new(0),
            caller: Cell::new(0),
            cleaned: Cell::new(false),
            #[cfg(feature = "dylib")]
            aborting: Cell::new(false),
            exception: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

impl Recovery {
    #[inline]
    pub(crate) fn set_yielder(&self, yielder: &Yielder<(), ()>) {
        self.yielder.set(yielder);
    }

    /// Leaves the coroutine for good. Returns only in a call that runs in none.
    ///
    /// `info` is what the hook was given.
    pub(super) fn stop(&self, info: &PanicHookInfo<'_>) {
        if self.yielder.get().is_null() {
            return;
        }
        self.caller.set(ptr::from_ref(info).addr());
        let exception = self.exception.get().cast::<Exception>();
        // SAFETY: the exception lives in the call, on the stack of the one who waits for the coroutine, and is used
        // this once; `unwinds` takes what it is given here.
        unsafe {
            exception.write(Exception {
                class: u64::from_be_bytes(*b"EBAYnull"),
                cleanup: None,
                private: [0; 6],
            });
            _Unwind_ForcedUnwind(exception, unwinds, ptr::from_ref(self).cast_mut().cast());
        }
        // Some frame can't be unwound. The one that holds std's lock may be behind it.
        hook::locked();
        self.suspend();
    }

    /// Says that an `abort` may come, and that it can be stopped.
    #[cfg(feature = "dylib")]
    pub(crate) fn expect_abort(&self) {
        self.aborting.set(true);
    }

    /// Whether the call was ended by [`Recovery::stop_aborting`].
    pub(crate) fn is_aborting(&self) -> bool {
        #[cfg(feature = "dylib")]
        return self.aborting.get();
        #[cfg(not(feature = "dylib"))]
        false
    }

    /// In a handler of the signal that `abort` raises: leaves the coroutine for good if a panic came first.
    #[cfg(feature = "dylib")]
    pub(crate) fn stop_aborting(&self) {
        if self.aborting.get() {
            self.suspend();
        }
    }

    fn suspend(&self) {
        // SAFETY: set by the coroutine that runs, which this code is part of.
        if let Some(yielder) = unsafe { self.yielder.get().as_ref() } {
            yielder.suspend(());
        }
    }

    /// Whether the unwinding has gone far enough when it comes to this frame, given as the lowest address in it.
    fn is_enough(&self, actions: c_int, frame: usize) -> bool {
        let again = self.frame.replace(frame) == frame;
        if actions & END_OF_STACK != 0 {
            return true;
        }
        if frame <= self.caller.get() {
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
    let recovery = unsafe { &*argument.cast_const().cast::<Recovery>() };
    // SAFETY: the unwinder's own context.
    let frame = unsafe { _Unwind_GetCFA(context) };
    if recovery.is_enough(actions, frame) {
        recovery.suspend();
    }
    GO_ON
}
