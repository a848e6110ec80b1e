//! What WAMR has once for a process, and once for a thread.

use std::rc::Rc;
use std::sync::{Mutex, OnceLock};

use enginebay_engine::{Error, ErrorKind};
use wamrx_sys as c;

/// Held around everything that touches WAMR's list of host functions, which has no lock of its own.
pub(super) static NATIVES: Mutex<()> = Mutex::new(());

/// Sets WAMR up, once. It stays so until the process ends.
///
/// # Errors
/// [`ErrorKind::Setup`].
pub(crate) fn initialise() -> Result<(), Error> {
    static DONE: OnceLock<bool> = OnceLock::new();
    let done = *DONE.get_or_init(|| {
        let mut options = c::RuntimeInitArgs {
            mem_alloc_type: c::Alloc_With_System_Allocator,
            running_mode: c::Mode_Interp,
            ..c::RuntimeInitArgs::default()
        };
        // SAFETY: WAMR only reads the options, and a zeroed option asks for its default. The lock that `OnceLock` holds
        // makes this the only call.
        unsafe {
            if !c::wasm_runtime_full_init(&mut options) {
                return false;
            }
            // Everything less than fatal would go to standard output.
            c::wasm_runtime_set_log_level(c::WASM_LOG_LEVEL_FATAL);
        }
        true
    });
    if done {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Setup, "WAMR can't be set up here"))
}

/// WAMR's version.
#[cfg(test)]
pub(crate) fn version() -> (u32, u32, u32) {
    let (mut major, mut minor, mut patch) = (0, 0, 0);
    // SAFETY: the three places are valid for the length of the call.
    unsafe { c::wasm_runtime_get_version(&mut major, &mut minor, &mut patch) };
    (major, minor, patch)
}

/// What WAMR keeps for a thread. It is there for as long as any instance of the thread is, also when the thread ends and
/// an instance goes after the thread's own handle.
pub(super) struct ThreadEnv(());

thread_local! {
    static THREAD_ENV: Option<Rc<ThreadEnv>> = ThreadEnv::new().map(Rc::new);
}

impl ThreadEnv {
    fn new() -> Option<ThreadEnv> {
        // SAFETY: it may be called on any thread once WAMR is set up, and an instance is made from an engine,
        // which sets it up.
        unsafe { c::wasm_runtime_init_thread_env() }.then_some(ThreadEnv(()))
    }

    /// The calling thread's.
    pub(super) fn of_this_thread() -> Option<Rc<ThreadEnv>> {
        match THREAD_ENV.try_with(Clone::clone) {
            Ok(env) => env,
            // The thread is ending.
            Err(_) => ThreadEnv::new().map(Rc::new),
        }
    }
}

impl Drop for ThreadEnv {
    fn drop(&mut self) {
        // SAFETY: this value stays on the thread that it was made for, as it is only ever in an `Rc`.
        unsafe { c::wasm_runtime_destroy_thread_env() };
    }
}
