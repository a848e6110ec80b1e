//! What a host calls.

use std::alloc::{Layout, alloc};

use crate::steps::on;

/// So many bytes, which the host fills. They are never freed: no test lives that long.
// SAFETY (of the names here): a module has this plugin alone.
#[unsafe(no_mangle)]
extern "C" fn proxy_on_memory_allocate(size: usize) -> *mut u8 {
    let Ok(layout) = Layout::from_size_align(size.max(1), 8) else {
        return std::ptr::null_mut();
    };
    // SAFETY: the layout has a size.
    unsafe { alloc(layout) }
}

#[unsafe(no_mangle)]
extern "C" fn proxy_abi_version_0_2_1() {}

#[unsafe(no_mangle)]
extern "C" fn _initialize() {
    unsafe extern "C" {
        fn __wasm_call_ctors();
    }
    // SAFETY: the linker makes this function, and it is called once, before all else.
    unsafe { __wasm_call_ctors() };
}

/// Exports callbacks: the symbol, the parameters behind the context, and what is returned if the script doesn't say.
macro_rules! callbacks {
    ($($symbol:ident ($($arg:ident),*) $(= $default:literal)?;)+) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $symbol(context: u32 $(, $arg: u32)*) $(-> callbacks!(result $default))? {
            let name = stringify!($symbol).trim_start_matches("proxy_");
            let default: u32 = 0 $(+ $default)?;
            let answer = on(name, context, &[$($arg),*]).unwrap_or(default);
            callbacks!(answer answer $($default)?)
        }
    )+};
    (result $default:literal) => { u32 };
    (answer $answer:ident $default:literal) => { $answer };
    (answer $answer:ident) => {{ let _ = $answer; }};
}

callbacks! {
    proxy_on_context_create(parent);
    proxy_on_vm_start(size) = 1;
    proxy_on_configure(size) = 1;
    proxy_on_tick();
    proxy_on_queue_ready(queue);
    proxy_on_foreign_function(function, size);
    proxy_on_request_headers(count, end) = 0;
    proxy_on_request_body(size, end) = 0;
    proxy_on_request_trailers(count) = 0;
    proxy_on_response_headers(count, end) = 0;
    proxy_on_response_body(size, end) = 0;
    proxy_on_response_trailers(count) = 0;
    proxy_on_http_call_response(call, headers, size, trailers);
    proxy_on_grpc_receive_initial_metadata(call, count);
    proxy_on_grpc_receive(call, size);
    proxy_on_grpc_receive_trailing_metadata(call, count);
    proxy_on_grpc_close(call, status);
    proxy_on_new_connection() = 0;
    proxy_on_downstream_data(size, end) = 0;
    proxy_on_upstream_data(size, end) = 0;
    proxy_on_downstream_connection_close(peer);
    proxy_on_upstream_connection_close(peer);
    proxy_on_done() = 1;
    proxy_on_log();
    proxy_on_delete();
}
