//! Stops `abort` in a library that panicked.
//!
//! A library written in Rust has a copy of the standard library of its own, with a panic hook, a lock and a count of
//! panics of its own. This crate's hook hears nothing of its panics. But the SDK's hook logs them through the host, and
//! so it is known that one comes before the process would end: see [`Call::heard_panic`](crate::call::Call::heard_panic).
//! What follows it is `abort`, which raises a signal, and a handler of that signal need not return: it jumps
//! out of the plugin's code. At that point the library's hook is over and its lock is free. Its
//! count of panics stays two too high on the thread, which costs its `std::thread::panicking()` the truth and nothing
//! else.
//!
//! A library built with `panic = "abort"` calls it without unwinding first. What the plugin had borrowed on the thread stays
//! borrowed then.
//!
//! An `abort` in a call without a panic, such as that of a damaged heap, goes its way, and so does one in a library whose
//! panic hook does not log.

use std::ffi::{c_int, c_void};
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Once, OnceLock};

use crate::active;

/// What handled the signal before.
static BEFORE: OnceLock<Before> = OnceLock::new();

struct Before(libc::sigaction);

/// Sets the handler, once.
pub(super) fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let mut before = MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: asks for the present handler; all zeros are a valid value of the structure.
        let before = unsafe {
            libc::sigaction(libc::SIGABRT, ptr::null(), before.as_mut_ptr());
            before.assume_init()
        };
        let _ = BEFORE.set(Before(before));
        // SAFETY: as above. `on_abort` has the type that goes with SA_SIGINFO; what it does is allowed in a signal that
        // `abort` raises on the thread it is called on. SA_NODEFER leaves the signal open for the next time.
        unsafe {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed().assume_init();
            action.sa_sigaction = on_abort as *const () as usize;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER;
            libc::sigaction(libc::SIGABRT, &raw const action, ptr::null_mut());
        }
    });
}

/// On the stack of whoever called `abort`. Uses nothing but cells of its own thread.
unsafe extern "C" fn on_abort(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    active::with(|call| {
        if let Some(call) = call {
            // Does not return for a panic in a library.
            call.stop_aborting();
        }
    });
    let Some(Before(before)) = BEFORE.get() else {
        return;
    };
    // When this returns and nobody else handles the signal, `abort` ends the process itself.
    match before.sa_sigaction {
        libc::SIG_DFL | libc::SIG_IGN => {}
        handler if before.sa_flags & libc::SA_SIGINFO != 0 => {
            // SAFETY: the handler that was set, with the type its flag says.
            let handler: unsafe extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) =
                unsafe { std::mem::transmute(handler) };
            // SAFETY: what the system would have called it with.
            unsafe { handler(signal, info, context) };
        }
        handler => {
            // SAFETY: as above, without the flag.
            let handler: unsafe extern "C" fn(c_int) = unsafe { std::mem::transmute(handler) };
            // SAFETY: as above.
            unsafe { handler(signal) };
        }
    }
}
