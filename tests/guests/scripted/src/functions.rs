//! The host functions that a script can call: those of ABI 0.2.1 in `env`.

/// Hands the list to another macro.
macro_rules! host_functions {
    ($with:ident) => {
        $with! {
            proxy_log(level: u32, message: *const u8, message_size: usize);
            proxy_get_log_level(return_level: *mut u32);
            proxy_done();
            proxy_set_effective_context(context_id: u32);
            proxy_get_current_time_nanoseconds(return_time: *mut u64);
            proxy_set_tick_period_milliseconds(period: u32);
            proxy_get_buffer_bytes(
                buffer: u32, start: usize, max_size: usize, return_data: *mut *mut u8, return_size: *mut usize
            );
            proxy_get_buffer_status(buffer: u32, return_size: *mut usize, return_unused: *mut u32);
            proxy_set_buffer_bytes(buffer: u32, start: usize, size: usize, data: *const u8, data_size: usize);
            proxy_get_header_map_size(map: u32, return_size: *mut usize);
            proxy_get_header_map_pairs(map: u32, return_data: *mut *mut u8, return_size: *mut usize);
            proxy_set_header_map_pairs(map: u32, data: *const u8, size: usize);
            proxy_get_header_map_value(
                map: u32, key: *const u8, key_size: usize, return_data: *mut *mut u8, return_size: *mut usize
            );
            proxy_add_header_map_value(
                map: u32, key: *const u8, key_size: usize, value: *const u8, value_size: usize
            );
            proxy_replace_header_map_value(
                map: u32, key: *const u8, key_size: usize, value: *const u8, value_size: usize
            );
            proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize);
            proxy_continue_stream(stream_type: u32);
            proxy_close_stream(stream_type: u32);
            proxy_send_local_response(
                status: u32, details: *const u8, details_size: usize, body: *const u8, body_size: usize,
                headers: *const u8, headers_size: usize, grpc_status: i32
            );
            proxy_get_status(return_code: *mut u32, return_data: *mut *mut u8, return_size: *mut usize);
            proxy_http_call(
                upstream: *const u8, upstream_size: usize, headers: *const u8, headers_size: usize,
                body: *const u8, body_size: usize, trailers: *const u8, trailers_size: usize, timeout: u32,
                return_call_id: *mut u32
            );
            proxy_grpc_call(
                upstream: *const u8, upstream_size: usize, service: *const u8, service_size: usize,
                method: *const u8, method_size: usize, metadata: *const u8, metadata_size: usize,
                message: *const u8, message_size: usize, timeout: u32, return_call_id: *mut u32
            );
            proxy_grpc_stream(
                upstream: *const u8, upstream_size: usize, service: *const u8, service_size: usize,
                method: *const u8, method_size: usize, metadata: *const u8, metadata_size: usize,
                return_stream_id: *mut u32
            );
            proxy_grpc_send(stream_id: u32, message: *const u8, message_size: usize, end_stream: u8);
            proxy_grpc_cancel(call_id: u32);
            proxy_grpc_close(call_id: u32);
            proxy_get_shared_data(
                key: *const u8, key_size: usize, return_data: *mut *mut u8, return_size: *mut usize,
                return_cas: *mut u32
            );
            proxy_set_shared_data(key: *const u8, key_size: usize, value: *const u8, value_size: usize, cas: u32);
            proxy_register_shared_queue(name: *const u8, name_size: usize, return_queue_id: *mut u32);
            proxy_resolve_shared_queue(
                vm_id: *const u8, vm_id_size: usize, name: *const u8, name_size: usize,
                return_queue_id: *mut u32
            );
            proxy_enqueue_shared_queue(queue_id: u32, data: *const u8, size: usize);
            proxy_dequeue_shared_queue(
                queue_id: u32, return_data: *mut *mut u8, return_size: *mut usize
            );
            proxy_define_metric(metric_type: u32, name: *const u8, name_size: usize, return_id: *mut u32);
            proxy_record_metric(metric_id: u32, value: u64);
            proxy_increment_metric(metric_id: u32, delta: i64);
            proxy_get_metric(metric_id: u32, return_value: *mut u64);
            proxy_get_property(
                path: *const u8, path_size: usize, return_data: *mut *mut u8, return_size: *mut usize
            );
            proxy_set_property(path: *const u8, path_size: usize, value: *const u8, value_size: usize);
            proxy_call_foreign_function(
                name: *const u8, name_size: usize, arguments: *const u8, arguments_size: usize,
                return_data: *mut *mut u8, return_size: *mut usize
            );
        }
    };
}

macro_rules! names {
    ($( $name:ident ( $($arg:ident: $ty:ty),* ); )+) => {
        /// The names of the host functions. A script has their places in this list.
        pub const FUNCTIONS: &[&str] = &[$(stringify!($name)),+];
    };
}

host_functions!(names);
