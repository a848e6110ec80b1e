//! WAMR: host functions are raw natives, registered while the module is loaded.
//!
//! There is one of these for the process at a time, on one thread: WAMR's list of host functions has no lock.

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{NonNull, null, null_mut};

use wamrx_sys as c;

use crate::bare::Bare;
use crate::guests;

/// Bytes of the interpreter's stack, as in an engine with limits as they are by default.
const STACK: u32 = 512 << 10;

struct State {
    memory: *mut c::WASMMemoryInstance,
    calls: u64,
    buffer: [u8; 64],
}

impl State {
    /// The guest's memory.
    ///
    /// # Safety
    /// The guest waits, and nobody else has its memory for as long as the result.
    unsafe fn memory<'a>(&self) -> &'a mut [u8] {
        // SAFETY: the memory is one of a living instance; it begins there and has that many bytes. The rest is the
        // caller's promise.
        unsafe {
            let base = c::wasm_memory_get_base_address(self.memory).cast::<u8>();
            let pages = c::wasm_memory_get_cur_page_count(self.memory);
            let size = pages * c::wasm_memory_get_bytes_per_page(self.memory);
            std::slice::from_raw_parts_mut(base, size as usize)
        }
    }
}

/// The state of the guest that calls.
///
/// # Safety
/// For host functions of a [`Guest`], once for each call.
unsafe fn state<'a>(env: c::wasm_exec_env_t) -> &'a mut State {
    // SAFETY: `Guest::new` put it there, and keeps it; the host function that runs is the only one that uses it.
    unsafe { &mut *c::wasm_runtime_get_user_data(env).cast::<State>() }
}

unsafe extern "C" fn nothing(env: c::wasm_exec_env_t, args: *mut u64) {
    // SAFETY: WAMR calls this with the guest's environment and one word for the parameter, where the result goes.
    unsafe {
        let context = args.read() as u32;
        if context == 0 {
            c::wasm_runtime_set_exception(c::wasm_runtime_get_module_inst(env), c"refused".as_ptr());
            return;
        }
        state(env).calls += u64::from(context);
        args.write(0);
    }
}

unsafe extern "C" fn copy(env: c::wasm_exec_env_t, args: *mut u64) {
    // SAFETY: WAMR calls this with the guest's environment and four words, and the guest waits.
    let (state, memory, [from, from_len, to, to_len]) = unsafe {
        let state = state(env);
        let memory = state.memory();
        (
            state,
            memory,
            args.cast::<[u64; 4]>().read().map(|word| word as u32 as usize),
        )
    };
    let mut copied = || {
        state.buffer.copy_from_slice(memory.get(from..from + from_len)?);
        memory.get_mut(to..to + to_len)?.copy_from_slice(&state.buffer);
        Some(())
    };
    let status = u64::from(copied().is_none());
    // SAFETY: the result goes where the first parameter was.
    unsafe { args.write(status) };
}

/// The guest. It is never given back.
pub struct Guest {
    env: NonNull<c::WASMExecEnv>,
    on_log: c::wasm_function_inst_t,
    calls: c::wasm_function_inst_t,
    copies: c::wasm_function_inst_t,
}

impl Guest {
    /// Loads, links and instantiates it.
    ///
    /// # Panics
    /// When the machine can't run it.
    #[expect(clippy::new_without_default, reason = "making one is expensive and can fail")]
    pub fn new() -> Guest {
        let code = guests::calls().leak();
        let state = Box::leak(Box::new(State {
            memory: null_mut(),
            calls: 0,
            buffer: [0; 64],
        }));
        // SAFETY: WAMR is set up first, which may be done more than once. Code, natives and state are never freed, and
        // the natives are off WAMR's list again when this is over.
        unsafe {
            let mut options = c::RuntimeInitArgs {
                mem_alloc_type: c::Alloc_With_System_Allocator,
                running_mode: c::Mode_Interp,
                ..c::RuntimeInitArgs::default()
            };
            assert!(c::wasm_runtime_full_init(&mut options), "WAMR can be set up");
            let natives = Box::leak(Box::new([
                native(c"proxy_set_effective_context", nothing),
                native(c"proxy_set_property", copy),
            ]));
            let env = c"env".as_ptr();
            assert!(c::wasm_runtime_register_natives_raw(
                env,
                natives.as_mut_ptr(),
                natives.len() as u32
            ));
            let module = c::wasm_runtime_load(code.as_mut_ptr(), code.len() as u32, null_mut::<c_char>(), 0);
            assert!(!module.is_null(), "a valid module");
            c::wasm_runtime_unregister_natives(env, natives.as_mut_ptr());
            let instance = c::wasm_runtime_instantiate(module, STACK, 0, null_mut::<c_char>(), 0);
            assert!(!instance.is_null(), "instantiated");
            let env = c::wasm_runtime_create_exec_env(instance, STACK);
            let env = NonNull::new(env).expect("there is memory for the stack");
            state.memory = c::wasm_runtime_get_default_memory(instance);
            c::wasm_runtime_set_user_data(env.as_ptr(), std::ptr::from_mut(state).cast::<c_void>());
            let function = |name: &CStr| {
                let function = c::wasm_runtime_lookup_function(instance, name.as_ptr());
                assert!(!function.is_null(), "exported");
                function
            };
            Guest {
                env,
                on_log: function(c"proxy_on_log"),
                calls: function(c"proxy_on_request_trailers"),
                copies: function(c"proxy_on_response_trailers"),
            }
        }
    }

    #[inline]
    fn call<const N: usize>(&mut self, function: c::wasm_function_inst_t, mut args: [u32; N]) {
        // SAFETY: a function of this guest with so many parameters of 32 bits, and no larger result; the guest does
        // not run, as it is borrowed mutably.
        let returned =
            unsafe { c::wasm_runtime_call_wasm(self.env.as_ptr(), function, N as u32, args.as_mut_ptr()) };
        assert!(returned, "no trap");
    }
}

type RawNative = unsafe extern "C" fn(c::wasm_exec_env_t, *mut u64);

fn native(name: &'static CStr, function: RawNative) -> c::NativeSymbol {
    c::NativeSymbol {
        symbol: name.as_ptr(),
        func_ptr: function as *mut c_void,
        signature: null(),
        attachment: null_mut(),
    }
}

impl Bare for Guest {
    fn callback(&mut self) {
        self.call(self.on_log, [1]);
    }

    fn host_calls(&mut self, n: u32) {
        self.call(self.calls, [1, n]);
    }

    fn copies(&mut self, n: u32) {
        self.call(self.copies, [1, n]);
    }
}
