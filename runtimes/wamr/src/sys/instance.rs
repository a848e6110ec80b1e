//! Instances of a module.

use std::ffi::{CStr, CString};
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use wamrx_sys as c;

use super::module::RawModule;
use super::process::ThreadEnv;
use super::{MESSAGE_BYTES, message};
use crate::export::{Cells, MAX_CELLS};

type Function = NonNull<c::WASMFunctionInstanceCommon>;

/// An instance with its stack. Neither `Send` nor `Sync`.
pub(crate) struct RawInstance {
    interrupter: Arc<Interrupter>,
    /// The functions that were asked for.
    functions: Box<[Option<Function>]>,
    /// The memory, if the guest exports it.
    memory: Option<NonNull<c::WASMMemoryInstance>>,
    // In the order in which they have to go.
    pub(super) env: ExecEnv,
    instance: ModuleInstance,
    _module: Arc<RawModule>,
    _thread: Rc<ThreadEnv>,
}

pub(super) struct ExecEnv(pub(super) NonNull<c::WASMExecEnv>);

impl Drop for ExecEnv {
    fn drop(&mut self) {
        // SAFETY: it was created, is not destroyed yet, and is not running: whoever runs it borrows its owner.
        unsafe { c::wasm_runtime_destroy_exec_env(self.0.as_ptr()) };
    }
}

struct ModuleInstance(NonNull<c::WASMModuleInstanceCommon>);

impl Drop for ModuleInstance {
    fn drop(&mut self) {
        // SAFETY: it was made, is not gone yet, and its one execution environment is.
        unsafe { c::wasm_runtime_deinstantiate(self.0.as_ptr()) };
    }
}

impl RawInstance {
    /// Makes an instance with a stack of this many bytes, and looks up its functions. A start function is not run: a
    /// module that is given to WAMR has none.
    ///
    /// # Errors
    /// WAMR's words.
    pub(crate) fn new(
        module: Arc<RawModule>,
        stack: u32,
        with_memory: bool,
        functions: &[Option<CString>],
    ) -> Result<RawInstance, String> {
        let no_memory = || "there is not enough memory".to_owned();
        let thread = ThreadEnv::of_this_thread().ok_or_else(no_memory)?;
        let mut error = [0; MESSAGE_BYTES];
        // SAFETY: the module is loaded, and is kept for as long as the instance. WAMR only reads it, so that other
        // threads may do the same. The buffer is as long as it says. No heap of WAMR's own is asked for.
        let instance = unsafe {
            c::wasm_runtime_instantiate(
                module.handle.as_ptr(),
                stack,
                0,
                error.as_mut_ptr().cast(),
                MESSAGE_BYTES as u32,
            )
        };
        let instance = NonNull::new(instance)
            .map(ModuleInstance)
            .ok_or_else(|| message(&error, "WASM module instantiate failed: "))?;
        let raw = instance.0.as_ptr();
        // SAFETY: the instance is there, and is kept for as long as the environment.
        let env = NonNull::new(unsafe { c::wasm_runtime_create_exec_env(raw, stack) })
            .map(ExecEnv)
            .ok_or_else(no_memory)?;
        let look_up = |name: &CString| {
            // SAFETY: the instance is there, and the name ends with a zero byte.
            NonNull::new(unsafe { c::wasm_runtime_lookup_function(raw, name.as_ptr()) })
        };
        let functions = functions.iter().map(|name| look_up(name.as_ref()?)).collect();
        let memory = if with_memory {
            // SAFETY: the instance is there.
            NonNull::new(unsafe { c::wasm_runtime_get_default_memory(raw) })
        } else {
            None
        };
        Ok(RawInstance {
            interrupter: Arc::new(Interrupter(Mutex::new(Some(Target(instance.0))))),
            functions,
            memory,
            env,
            instance,
            _module: module,
            _thread: thread,
        })
    }

    pub(crate) fn interrupter(&self) -> &Arc<Interrupter> {
        &self.interrupter
    }

    /// Whether there is a function of this number.
    #[inline]
    pub(crate) fn has_function(&self, function: usize) -> bool {
        matches!(self.functions.get(function), Some(Some(_)))
    }

    /// Calls a function with this many cells of arguments; the result is in the cells then. False when it
    /// ended with an exception, or isn't there.
    ///
    /// # Safety
    /// Nobody may hold a reference to the instance's memory.
    #[inline]
    pub(super) unsafe fn call(&self, function: usize, cells: &mut Cells, count: u32) -> bool {
        debug_assert!(count as usize <= MAX_CELLS);
        let Some(Some(function)) = self.functions.get(function) else {
            return false;
        };
        // SAFETY: the function is one of this instance, and the environment is this instance's. No function that is
        // looked up has parameters or results for more cells than there are: it was checked at load to have the
        // signature it was asked for with, or is a start function, which has neither. This is the thread that the
        // instance was made on, as it is not `Send`.
        unsafe {
            c::wasm_runtime_call_wasm(self.env.0.as_ptr(), function.as_ptr(), count, cells.as_mut_ptr())
        }
    }

    /// The memory the guest exports; empty where there is none.
    ///
    /// # Safety
    /// For the lifetime `'a` the guest must not run, the instance must not go, and nobody else may get at the memory.
    #[inline]
    pub(super) unsafe fn memory<'a>(&self) -> &'a mut [u8] {
        let Some(memory) = self.memory.map(NonNull::as_ptr) else {
            return &mut [];
        };
        // SAFETY: the memory belongs to the instance, and is its only one. It begins at the base address, which moves
        // only when the guest runs, and has this many pages of this size, all of them initialised.
        unsafe {
            let base = c::wasm_memory_get_base_address(memory).cast::<u8>();
            let size = c::wasm_memory_get_cur_page_count(memory) * c::wasm_memory_get_bytes_per_page(memory);
            if base.is_null() || size == 0 {
                return &mut [];
            }
            std::slice::from_raw_parts_mut(base, size as usize)
        }
    }

    /// The words of the current exception.
    #[cold]
    pub(crate) fn exception(&self) -> String {
        // Inside another call, the watchdog may write to it at this moment.
        let _lock = self.interrupter.lock();
        // SAFETY: the instance is there. Its exception is a string that ends with a zero byte, in a buffer of the
        // instance, and is copied at once. Other threads write to it through the interrupter only, whose lock is held.
        let message = unsafe {
            let message = c::wasm_runtime_get_exception(self.instance.0.as_ptr());
            if message.is_null() {
                return String::new();
            }
            CStr::from_ptr(message).to_string_lossy().into_owned()
        };
        match message.strip_prefix("Exception: ") {
            Some(words) => words.to_owned(),
            None => message,
        }
    }

    /// Takes back the exception, and the order to stop that goes with it.
    #[cold]
    pub(crate) fn clear_exception(&self) {
        // SAFETY: the instance is there; WAMR locks what others may touch.
        unsafe { c::wasm_runtime_clear_exception(self.instance.0.as_ptr()) };
    }

    /// Makes the guest stop when the host function that is running returns.
    #[cold]
    pub(crate) fn raise(&self) {
        // SAFETY: as above; the words are copied.
        unsafe { c::wasm_runtime_set_exception(self.instance.0.as_ptr(), c"host error".as_ptr()) };
    }
}

impl Drop for RawInstance {
    fn drop(&mut self) {
        self.interrupter.retire();
    }
}

/// A way to interrupt an instance from any thread, at any time.
pub(crate) struct Interrupter(Mutex<Option<Target>>);

struct Target(NonNull<c::WASMModuleInstanceCommon>);

// SAFETY: other threads use the pointer for nothing but to terminate the instance, which WAMR allows on any
// thread, and do so only with the interrupter's lock, for which the instance waits before it goes.
unsafe impl Send for Target {}

impl Interrupter {
    /// Of no instance.
    #[cfg(test)]
    pub(crate) fn of_nothing() -> Interrupter {
        Interrupter(Mutex::new(None))
    }

    /// Makes a running guest stop at its next branch, call or return from the host.
    pub(crate) fn interrupt(&self) {
        if let Some(target) = &*self.lock() {
            // SAFETY: the instance is there for as long as its pointer is behind the lock.
            unsafe { c::wasm_runtime_terminate(target.0.as_ptr()) };
        }
    }

    fn retire(&self) {
        *self.lock() = None;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Target>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
