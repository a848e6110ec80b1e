//! Plugins written with the Rust SDK `proxy-wasm` 0.2, compiled natively and linked in.

/// A [`NullPlugin`](crate::NullPlugin) of a crate written with the SDK `proxy-wasm` 0.2, for
/// [`register`](crate::register): `sdk!("name", start)`.
///
/// `start` is a function without parameters that sets the SDK's contexts: what the crate wraps in
/// `proxy_wasm::main!`. The `_initialize` that this macro makes will do too, in a program with one such crate.
///
/// The program must link the SDK: the macro names the functions that it exports.
#[macro_export]
macro_rules! sdk {
    ($name:expr, $start:expr $(,)?) => {{
        unsafe extern "C" {
            fn proxy_on_memory_allocate(memory_size: usize) -> *mut u8;
            fn proxy_on_context_create(context_id: u32, parent_context_id: u32);
            fn proxy_on_vm_start(plugin_context_id: u32, vm_configuration_size: usize) -> bool;
            fn proxy_on_configure(plugin_context_id: u32, plugin_configuration_size: usize) -> bool;
            fn proxy_on_tick(plugin_context_id: u32);
            fn proxy_on_queue_ready(plugin_context_id: u32, queue_id: u32);
            fn proxy_on_foreign_function(plugin_context_id: u32, function_id: u32, arguments_size: usize);
            fn proxy_on_new_connection(stream_context_id: u32) -> u32;
            fn proxy_on_downstream_data(stream_context_id: u32, data_size: usize, end_of_stream: bool) -> u32;
            fn proxy_on_upstream_data(stream_context_id: u32, data_size: usize, end_of_stream: bool) -> u32;
            fn proxy_on_downstream_connection_close(stream_context_id: u32, peer_type: u32);
            fn proxy_on_upstream_connection_close(stream_context_id: u32, peer_type: u32);
            fn proxy_on_request_headers(stream_context_id: u32, num_headers: usize, end_of_stream: bool) -> u32;
            fn proxy_on_request_body(stream_context_id: u32, body_size: usize, end_of_stream: bool) -> u32;
            fn proxy_on_request_trailers(stream_context_id: u32, num_trailers: usize) -> u32;
            fn proxy_on_response_headers(stream_context_id: u32, num_headers: usize, end_of_stream: bool) -> u32;
            fn proxy_on_response_body(stream_context_id: u32, body_size: usize, end_of_stream: bool) -> u32;
            fn proxy_on_response_trailers(stream_context_id: u32, num_trailers: usize) -> u32;
            fn proxy_on_http_call_response(plugin_context_id: u32, call_id: u32, num_headers: usize, body_size: usize, num_trailers: usize);
            fn proxy_on_grpc_receive_initial_metadata(plugin_context_id: u32, call_id: u32, num_elements: usize);
            fn proxy_on_grpc_receive(plugin_context_id: u32, call_id: u32, message_size: usize);
            fn proxy_on_grpc_receive_trailing_metadata(plugin_context_id: u32, call_id: u32, num_elements: usize);
            fn proxy_on_grpc_close(plugin_context_id: u32, call_id: u32, status_code: u32);
            fn proxy_on_done(context_id: u32) -> bool;
            fn proxy_on_log(context_id: u32);
            fn proxy_on_delete(context_id: u32);
        }
        const ENTRY_POINTS: $crate::EntryPoints = $crate::EntryPoints {
            proxy_on_memory_allocate: Some(proxy_on_memory_allocate),
            proxy_on_context_create: Some(proxy_on_context_create),
            proxy_on_vm_start: Some(proxy_on_vm_start),
            proxy_on_configure: Some(proxy_on_configure),
            proxy_on_tick: Some(proxy_on_tick),
            proxy_on_queue_ready: Some(proxy_on_queue_ready),
            proxy_on_foreign_function: Some(proxy_on_foreign_function),
            proxy_on_new_connection: Some(proxy_on_new_connection),
            proxy_on_downstream_data: Some(proxy_on_downstream_data),
            proxy_on_upstream_data: Some(proxy_on_upstream_data),
            proxy_on_downstream_connection_close: Some(proxy_on_downstream_connection_close),
            proxy_on_upstream_connection_close: Some(proxy_on_upstream_connection_close),
            proxy_on_request_headers: Some(proxy_on_request_headers),
            proxy_on_request_body: Some(proxy_on_request_body),
            proxy_on_request_trailers: Some(proxy_on_request_trailers),
            proxy_on_response_headers: Some(proxy_on_response_headers),
            proxy_on_response_body: Some(proxy_on_response_body),
            proxy_on_response_trailers: Some(proxy_on_response_trailers),
            proxy_on_http_call_response: Some(proxy_on_http_call_response),
            proxy_on_grpc_receive_initial_metadata: Some(proxy_on_grpc_receive_initial_metadata),
            proxy_on_grpc_receive: Some(proxy_on_grpc_receive),
            proxy_on_grpc_receive_trailing_metadata: Some(proxy_on_grpc_receive_trailing_metadata),
            proxy_on_grpc_close: Some(proxy_on_grpc_close),
            proxy_on_done: Some(proxy_on_done),
            proxy_on_log: Some(proxy_on_log),
            proxy_on_delete: Some(proxy_on_delete),
            ..$crate::EntryPoints::EMPTY
        };
        // SAFETY: the functions of the SDK have these types. It takes the counts of gRPC metadata as `u32`, which
        // leaves the upper half of a register unread.
        unsafe {
            $crate::NullPlugin::sdk(
                $name,
                || {
                    $start();
                },
                ENTRY_POINTS,
            )
        }
    }};
}

/// Registers a crate written with the SDK `proxy-wasm` 0.2 under a name, in one line of the program that links it:
///
/// ```ignore
/// enginebay_runtime_null::sdk_plugin!("add_header", add_header::start);
/// ```
///
/// `start` is as in [`sdk!`](crate::sdk).
#[macro_export]
macro_rules! sdk_plugin {
    ($name:expr, $start:expr $(,)?) => {
        $crate::submit! { $crate::sdk!($name, $start) }
    };
}
