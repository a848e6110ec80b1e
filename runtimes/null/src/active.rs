//! Which plugin runs on this thread.

use std::cell::Cell;
use std::ptr;

use crate::call::Call;
use crate::host_functions::Function;
use crate::status;

thread_local! {
    /// The call whose plugin code runs now; null while host code runs, also host code that a plugin called.
    static ACTIVE: Cell<*const Call<'static>> = const { Cell::new(ptr::null()) };
}

/// Makes a call the active one, until it is dropped: then the one before is it again.
pub(crate) struct Entered {
    before: *const Call<'static>,
}

impl Entered {
    /// # Safety
    /// The call must stay where it is until the result is dropped.
    #[inline]
    pub(crate) unsafe fn plugin(call: &Call<'_>) -> Self {
        Entered {
            before: ACTIVE.replace(ptr::from_ref(call).cast()),
        }
    }

    /// Host code: no call is active.
    #[inline]
    pub(crate) fn host() -> Self {
        Entered {
            before: ACTIVE.replace(ptr::null()),
        }
    }
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        ACTIVE.set(self.before);
    }
}

/// Runs `f` with the call whose plugin code runs on this thread.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Call<'_>>) -> R) -> R {
    let call = ACTIVE.get();
    // SAFETY: null, or set by `Entered::plugin`, whose caller keeps the call in place until the plugin's code is over.
    f(unsafe { call.as_ref() })
}

/// What the C symbols do.
#[inline]
pub(crate) fn host_call(function: Function, args: &[u64]) -> u32 {
    with(|call| match call {
        Some(call) => call.host_call(function, args),
        None => nobody(function),
    })
}

/// A call by nobody: from a thread of the plugin's own, or from host code that uses what a plugin left behind. The SDK
/// makes itself the logger of the whole process and does not expect logging to fail.
#[cold]
fn nobody(function: Function) -> u32 {
    if function == Function::proxy_log {
        status::OK
    } else {
        status::INTERNAL_FAILURE
    }
}
