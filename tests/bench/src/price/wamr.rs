//! The bare guest on WAMR. As [`crate::bare::wamr`]: one at a time, on one thread, and never given back.

use std::ffi::{CString, c_char, c_void};
use std::ptr::{NonNull, null, null_mut};

use wamrx_sys as c;

use super::functions::{MOST, Side, functions, slice};
use super::{Row, Shape, guest};

/// Bytes of the interpreter's stack, as in an engine with limits as they are by default.
const STACK: u32 = 512 << 10;

struct State {
    memory: *mut c::WASMMemoryInstance,
    allocate: c::wasm_function_inst_t,
    buffer: [u8; MOST],
}

/// The guest that called, for as long as a host function runs.
struct Caller(c::wasm_exec_env_t);

impl Caller {
    fn parts(&mut self) -> (&mut [u8], &mut State) {
        // SAFETY: `Guest::new` put the state there and keeps it, and the host function that runs is the only one that uses it.
        // The memory is one of a living instance, and the guest, which could make it grow, waits.
        unsafe {
            let state = &mut *c::wasm_runtime_get_user_data(self.0).cast::<State>();
            let base = c::wasm_memory_get_base_address(state.memory).cast::<u8>();
            let pages = c::wasm_memory_get_cur_page_count(state.memory);
            let size = pages * c::wasm_memory_get_bytes_per_page(state.memory);
            (std::slice::from_raw_parts_mut(base, size as usize), state)
        }
    }
}

impl Side for Caller {
    #[inline]
    fn read(&mut self, at: u32, len: u32) -> Option<()> {
        let (bytes, state) = self.parts();
        let from = slice(bytes, at, len)?;
        state.buffer.get_mut(..from.len())?.copy_from_slice(from);
        Some(())
    }

    #[inline]
    fn write(&mut self, at: u32, len: u32) -> Option<()> {
        let (bytes, state) = self.parts();
        slice(bytes, at, len)?.copy_from_slice(state.buffer.get(..len as usize)?);
        Some(())
    }

    #[inline]
    fn word(&mut self, at: u32, word: u32) -> Option<()> {
        let (bytes, _) = self.parts();
        slice(bytes, at, 4)?.copy_from_slice(&word.to_le_bytes());
        Some(())
    }

    #[inline]
    fn allocate(&mut self, len: u32) -> Option<u32> {
        let function = self.parts().1.allocate;
        let mut args = [len];
        // SAFETY: the guest's allocator takes and returns 32 bits.
        let returned = unsafe { c::wasm_runtime_call_wasm(self.0, function, 1, args.as_mut_ptr()) };
        returned.then_some(args[0])
    }
}

macro_rules! natives {
    ($($module:literal $name:ident($($arg:ident: $kind:ident),*) |$side:ident| $body:expr;)*) => {
        /// Every function, by its module.
        fn natives() -> Vec<(&'static str, c::NativeSymbol)> {
            vec![$({
                unsafe extern "C" fn raw(env: c::wasm_exec_env_t, args: *mut u64) {
                    let mut word = 0;
                    $(
                        // SAFETY: WAMR calls this with one word for each parameter.
                        let $arg = unsafe { args.add(word).read() } as $kind;
                        word += 1;
                    )*
                    let _ = word;
                    let mut caller = Caller(env);
                    let $side = &mut caller;
                    match $body {
                        // SAFETY: the result goes where the first parameter was.
                        Some(()) => unsafe { args.write(0) },
                        // SAFETY: the instance is the one that called.
                        None => unsafe {
                            c::wasm_runtime_set_exception(c::wasm_runtime_get_module_inst(env), c"refused".as_ptr());
                        },
                    }
                }
                let symbol = CString::new(stringify!($name)).expect("a name").into_raw();
                ($module, c::NativeSymbol {
                    symbol,
                    func_ptr: raw as *mut c_void,
                    signature: null(),
                    attachment: null_mut(),
                })
            }),*]
        }
    };
}

functions!(natives!);

/// The guest.
pub(super) struct Guest {
    env: NonNull<c::WASMExecEnv>,
    run: c::wasm_function_inst_t,
    callbacks: [c::wasm_function_inst_t; 6],
}

impl Guest {
    pub(super) fn new(row: &Row) -> Guest {
        let code = guest::module(row).leak();
        let state = Box::leak(Box::new(State {
            memory: null_mut(),
            allocate: null_mut(),
            buffer: [0; MOST],
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
            let modules = ["env", "wasi_snapshot_preview1"].map(|module| {
                let of = natives().into_iter().filter(|(of, _)| *of == module);
                let symbols: Vec<c::NativeSymbol> = of.map(|(_, symbol)| symbol).collect();
                let name = CString::new(module).expect("a name").into_raw().cast_const();
                (name, symbols.leak())
            });
            let mut registered = Vec::new();
            for (name, symbols) in modules {
                let count = symbols.len() as u32;
                let symbols = symbols.as_mut_ptr();
                assert!(c::wasm_runtime_register_natives_raw(name, symbols, count));
                registered.push((name, symbols));
            }
            let module = c::wasm_runtime_load(code.as_mut_ptr(), code.len() as u32, null_mut::<c_char>(), 0);
            assert!(!module.is_null(), "a valid module");
            for (name, symbols) in registered {
                c::wasm_runtime_unregister_natives(name, symbols);
            }
            let instance = c::wasm_runtime_instantiate(module, STACK, 0, null_mut::<c_char>(), 0);
            assert!(!instance.is_null(), "instantiated");
            let env = c::wasm_runtime_create_exec_env(instance, STACK);
            let env = NonNull::new(env).expect("there is memory for the stack");
            let function = |name: &str| {
                let name = CString::new(name).expect("a name");
                let function = c::wasm_runtime_lookup_function(instance, name.as_ptr());
                assert!(!function.is_null(), "exported");
                function
            };
            state.memory = c::wasm_runtime_get_default_memory(instance);
            state.allocate = function("proxy_on_memory_allocate");
            c::wasm_runtime_set_user_data(env.as_ptr(), std::ptr::from_mut(state).cast::<c_void>());
            Guest {
                env,
                run: function("proxy_on_request_trailers"),
                callbacks: [
                    Shape::One,
                    Shape::OneResult,
                    Shape::TwoResult,
                    Shape::Two,
                    Shape::ThreeResult,
                    Shape::Three,
                ]
                .map(|shape| function(shape.export())),
            }
        }
    }

    fn call(&mut self, function: c::wasm_function_inst_t, args: &mut [u32]) {
        // SAFETY: a function of this guest with so many parameters of 32 bits, and no larger result; the guest does
        // not run, as it is borrowed mutably.
        let returned = unsafe {
            c::wasm_runtime_call_wasm(self.env.as_ptr(), function, args.len() as u32, args.as_mut_ptr())
        };
        assert!(returned, "no trap");
    }
}

impl super::Bare for Guest {
    fn run(&mut self, n: u32) {
        self.call(self.run, &mut [2, n]);
    }

    fn callback(&mut self, shape: Shape) {
        let function = self.callbacks[shape as usize];
        let count = match shape {
            Shape::One | Shape::OneResult => 1,
            Shape::Two | Shape::TwoResult => 2,
            Shape::Three | Shape::ThreeResult => 3,
        };
        self.call(function, &mut [1, 2, 3][..count]);
    }
}
