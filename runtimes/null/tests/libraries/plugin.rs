//! A plugin in a shared library, without the SDK but as the SDK does things. Compiled by the tests, with parts left out.
#![allow(missing_docs)]

use std::cell::{Cell, RefCell};

unsafe extern "C" {
    fn proxy_log(level: u32, data: *const u8, size: usize) -> u32;
    fn proxy_add_header_map_value(map: u32, k: *const u8, ks: usize, v: *const u8, vs: usize) -> u32;
    #[cfg(unknown_function)]
    fn proxy_is_not_there() -> u32;
}

thread_local! {
    static CALLS: Cell<u32> = const { Cell::new(0) };
    #[cfg(not(no_destructors))]
    static STATE: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    #[cfg(no_destructors)]
    static STATE: RefCell<std::mem::ManuallyDrop<Vec<u32>>> =
        const { RefCell::new(std::mem::ManuallyDrop::new(Vec::new())) };
}

fn log(level: u32, text: &str) -> u32 {
    unsafe { proxy_log(level, text.as_ptr(), text.len()) }
}

#[cfg(any(marker, both_markers))]
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_1() {}

#[cfg(both_markers)]
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_2_0() {}

#[cfg(old_marker)]
#[unsafe(no_mangle)]
pub extern "C" fn proxy_abi_version_0_1_0() {}

#[cfg(allocator)]
#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    Box::leak(vec![0u8; size].into_boxed_slice()).as_mut_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn _initialize() {
    std::panic::set_hook(Box::new(|info| {
        assert_eq!(log(5, &info.to_string()), 0);
    }));
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_context_create(_: u32, _: u32) {
    #[cfg(unknown_function)]
    unsafe {
        proxy_is_not_there();
    }
}

struct Says(&'static str);

impl Drop for Says {
    fn drop(&mut self) {
        if self.0 == "panic" {
            panic!("in a destructor");
        }
        log(2, self.0);
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_request_headers(_: u32, what: usize, _: bool) -> u32 {
    STATE.with_borrow_mut(|state| {
        let _says = Says("dropped");
        match what {
            1 => panic!("boom"),
            2 => {
                if log(2, "exit") != 0 {
                    panic!("unexpected status");
                }
            }
            3 => {
                let _bad = Says("panic");
                panic!("first");
            }
            _ => state.push(what as u32),
        }
    });
    CALLS.set(CALLS.get() + 1);
    let calls = CALLS.get().to_string();
    unsafe { proxy_add_header_map_value(0, b"x-calls".as_ptr(), 7, calls.as_ptr(), calls.len()) }
}

#[unsafe(no_mangle)]
pub extern "C" fn proxy_on_done(_: u32) -> bool {
    true
}
