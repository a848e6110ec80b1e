//! The host functions.

/// A word as an argument of a host function.
trait FromWord {
    fn from_word(word: u64) -> Self;
}

macro_rules! numbers {
    ($($ty:ty)+) => {$(
        impl FromWord for $ty {
            fn from_word(word: u64) -> Self {
                word as $ty
            }
        }
    )+};
}

numbers!(u8 u32 i32 u64 i64 usize);

impl<T> FromWord for *const T {
    fn from_word(word: u64) -> Self {
        std::ptr::with_exposed_provenance(word as usize)
    }
}

impl<T> FromWord for *mut T {
    fn from_word(word: u64) -> Self {
        std::ptr::with_exposed_provenance_mut(word as usize)
    }
}

macro_rules! functions {
    ($( $name:ident ( $($arg:ident: $ty:ty),* ); )+) => {
        #[expect(non_camel_case_types, reason = "named as the functions are")]
        enum Function {
            $($name,)+
        }

        #[cfg_attr(target_family = "wasm", link(wasm_import_module = "env"))]
        unsafe extern "C" {
            $(fn $name($($arg: $ty),*) -> u32;)+
        }

        /// Calls the function with this place in the list. `None` if there is none, or it takes another number of
        /// arguments.
        ///
        /// Addresses among the arguments are of the plugin's memory or of none; the host takes no others, or writes only
        /// where the plugin's own memory is.
        pub(super) fn call(function: u8, args: &[u64]) -> Option<u32> {
            $(
                if function == Function::$name as u8 {
                    let &[$($arg),*] = args else {
                        return None;
                    };
                    // SAFETY: the function has this type in the ABI. Scripts have addresses of bytes of their own, of
                    // places in the arena, which is shared and has interior mutability, and such as the host refuses.
                    return Some(unsafe { $name($(<$ty>::from_word($arg)),*) });
                }
            )+
            None
        }
    };
}

host_functions!(functions);

/// Logs at level critical.
pub(super) fn log(message: &str) {
    // SAFETY: address and size of a string.
    unsafe { proxy_log(5, message.as_ptr(), message.len()) };
}

/// Makes another context the current one.
pub(super) fn set_effective_context(context: u32) {
    // SAFETY: it takes no address.
    unsafe { proxy_set_effective_context(context) };
}

/// Asks for so many bytes of the VM's configuration. Address and size of what the allocator gave for it, if there is one.
pub(super) fn vm_configuration(size: usize) -> Option<(usize, usize)> {
    const VM_CONFIGURATION: u32 = 6;
    let mut data = std::ptr::null_mut();
    let mut got = 0;
    // SAFETY: both addresses are of variables that live longer than the call.
    let status = unsafe { proxy_get_buffer_bytes(VM_CONFIGURATION, 0, size, &raw mut data, &raw mut got) };
    (status == 0).then(|| (data.expose_provenance(), got))
}
