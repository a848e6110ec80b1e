//! The callbacks that a script can be about: those of ABI 0.2.1, and the one of stats sinks.

/// Hands the list to another macro.
macro_rules! callbacks {
    ($with:ident) => {
        $with! {
            proxy_on_context_create(context_id: u32, parent_context_id: u32);
            proxy_on_vm_start(plugin_context_id: u32, vm_configuration_size: usize) -> bool;
            proxy_on_configure(plugin_context_id: u32, plugin_configuration_size: usize) -> bool;
            proxy_on_tick(plugin_context_id: u32);
            proxy_on_queue_ready(plugin_context_id: u32, queue_id: u32);
            proxy_on_foreign_function(plugin_context_id: u32, function_id: u32, arguments_size: usize);
            proxy_on_new_connection(stream_context_id: u32) -> u32;
            proxy_on_downstream_data(stream_context_id: u32, data_size: usize, end_of_stream: bool) -> u32;
            proxy_on_upstream_data(stream_context_id: u32, data_size: usize, end_of_stream: bool) -> u32;
            proxy_on_downstream_connection_close(stream_context_id: u32, peer_type: u32);
            proxy_on_upstream_connection_close(stream_context_id: u32, peer_type: u32);
            proxy_on_request_headers(stream_context_id: u32, num_headers: usize, end_of_stream: bool) -> u32;
            proxy_on_request_body(stream_context_id: u32, body_size: usize, end_of_stream: bool) -> u32;
            proxy_on_request_trailers(stream_context_id: u32, num_trailers: usize) -> u32;
            proxy_on_request_metadata(stream_context_id: u32, num_elements: usize) -> u32;
            proxy_on_response_headers(stream_context_id: u32, num_headers: usize, end_of_stream: bool) -> u32;
            proxy_on_response_body(stream_context_id: u32, body_size: usize, end_of_stream: bool) -> u32;
            proxy_on_response_trailers(stream_context_id: u32, num_trailers: usize) -> u32;
            proxy_on_response_metadata(stream_context_id: u32, num_elements: usize) -> u32;
            proxy_on_http_call_response(
                context_id: u32, call_id: u32, num_headers: usize, body_size: usize, num_trailers: usize
            );
            proxy_on_grpc_receive_initial_metadata(context_id: u32, call_id: u32, num_elements: usize);
            proxy_on_grpc_receive(context_id: u32, call_id: u32, message_size: usize);
            proxy_on_grpc_receive_trailing_metadata(context_id: u32, call_id: u32, num_elements: usize);
            proxy_on_grpc_close(context_id: u32, call_id: u32, status_code: u32);
            proxy_on_done(context_id: u32) -> bool;
            proxy_on_log(context_id: u32);
            proxy_on_delete(context_id: u32);
            envoy_on_stats_update(plugin_context_id: u32, stats_size: usize);
        }
    };
}

macro_rules! names {
    ($( $name:ident ( $($arg:ident: $ty:ty),* ) $(-> $result:ty)?; )+) => {
        /// The names of the callbacks. A script has their places in this list.
        pub const CALLBACKS: &[&str] = &[$(stringify!($name)),+];
    };
}

callbacks!(names);
