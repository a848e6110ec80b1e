//! The guests as native plugins.
#![allow(unsafe_code, reason = "a plugin with C functions")]

use enginebay::null::{EntryPoints, NullPlugin};

enginebay::null::sdk_plugin!("body_rewrite", body_rewrite::start);
enginebay::null::sdk_plugin!("header_filter", header_filter::start);
enginebay::null::sdk_plugin!("noop", noop::start);

unsafe extern "C" {
    safe fn proxy_set_effective_context(context_id: u32) -> u32;
    fn proxy_set_property(path_data: *const u8, path_size: usize, data: *const u8, size: usize) -> u32;
}

extern "C" fn allocate(_: usize) -> *mut u8 {
    std::ptr::null_mut()
}

extern "C" fn on_log(_: u32) {}

extern "C" fn calls(context: u32, n: usize) -> u32 {
    for _ in 0..n {
        proxy_set_effective_context(context);
    }
    0
}

extern "C" fn copies(_: u32, n: usize) -> u32 {
    let (from, mut to) = ([1; 64], [0; 64]);
    for _ in 0..n {
        // SAFETY: both are 64 bytes long, and the host of the benchmark writes to the second.
        unsafe { proxy_set_property(from.as_ptr(), from.len(), to.as_mut_ptr(), to.len()) };
    }
    0
}

// SAFETY: these functions have the types of ABI 0.2.1, and no host gives this plugin anything to allocate for.
const CALLS: NullPlugin = unsafe {
    NullPlugin::table(
        "calls",
        EntryPoints {
            proxy_on_memory_allocate: Some(allocate),
            proxy_on_log: Some(on_log),
            proxy_on_request_trailers: Some(calls),
            proxy_on_response_trailers: Some(copies),
            ..EntryPoints::EMPTY
        },
    )
};

enginebay::null::submit!(CALLS);
