//! What a host calls. In WebAssembly these are exports; natively they have no symbols, as other plugins in a program have
//! functions of the same names.

use super::interpreter;

/// What a callback gets.
trait Parameter {
    fn number(self) -> u32;
}

impl Parameter for u32 {
    fn number(self) -> u32 {
        self
    }
}

impl Parameter for usize {
    fn number(self) -> u32 {
        u32::try_from(self).unwrap_or(u32::MAX)
    }
}

impl Parameter for bool {
    fn number(self) -> u32 {
        u32::from(self)
    }
}

/// What a callback returns.
trait Answer {
    /// True, or "continue".
    const DEFAULT: u32;
    fn from_number(number: u32) -> Self;
}

impl Answer for u32 {
    const DEFAULT: u32 = 0;
    fn from_number(number: u32) -> Self {
        number
    }
}

impl Answer for bool {
    const DEFAULT: u32 = 1;
    fn from_number(number: u32) -> Self {
        number != 0
    }
}

impl Answer for () {
    const DEFAULT: u32 = 0;
    fn from_number(_: u32) {}
}

macro_rules! answer {
    () => {
        ()
    };
    ($ty:ty) => {
        $ty
    };
}

macro_rules! exports {
    ($( $name:ident ( $($arg:ident: $ty:ty),* ) $(-> $result:ty)?; )+) => {
        #[expect(non_camel_case_types, reason = "named as the callbacks are")]
        enum Callback {
            $($name,)+
        }

        /// The place of the callback before which the script is read.
        pub(super) const VM_START: u8 = Callback::proxy_on_vm_start as u8;

        $(
            #[doc = concat!("The callback `", stringify!($name), "`.")]
            // SAFETY (of the name): a module in WebAssembly has this plugin alone.
            #[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
            pub extern "C" fn $name($($arg: $ty),*) $(-> $result)? {
                type Result = answer!($($result)?);
                let callback = Callback::$name as u8;
                let number = interpreter::on(callback, &[$($arg.number()),*], Result::DEFAULT);
                Result::from_number(number)
            }
        )+
    };
}

callbacks!(exports);

/// Forgets what an earlier VM of the thread did.
// SAFETY (of the name): a module in WebAssembly has this plugin alone.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn _initialize() {
    #[cfg(target_os = "wasi")]
    {
        unsafe extern "C" {
            fn __wasm_call_ctors();
        }
        // SAFETY: the linker makes this function, and it is called once, before all else.
        unsafe { __wasm_call_ctors() };
    }
    interpreter::reset();
}

/// The allocator. Null when there is no memory.
// SAFETY (of the name): a module in WebAssembly has this plugin alone.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn proxy_on_memory_allocate(memory_size: usize) -> *mut u8 {
    std::ptr::with_exposed_provenance_mut(interpreter::allocate(memory_size))
}

/// Says which version of the ABI the plugin speaks.
// SAFETY (of the name): a module in WebAssembly has this plugin alone.
#[cfg(target_family = "wasm")]
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}
