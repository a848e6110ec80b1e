//! The host functions of ABI 0.2, as C symbols.
//!
//! Plugins find them when the program is linked, or when their shared library is loaded. Which instance they belong to is
//! the one that runs on the calling thread.

use crate::active;
use crate::word::Word;

macro_rules! host_functions {
    ($( $name:ident ( $($arg:ident: $ty:ty),* ); )+) => {
        /// The number of each function.
        #[expect(non_camel_case_types, reason = "named as the functions are")]
        #[derive(Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Function {
            $($name,)+
        }

        /// The name of each function, by its number.
        pub(crate) const NAMES: &[&str] = &[$(stringify!($name),)+];

        $(
            // SAFETY: no other function of a program that runs plugins may have this name.
            #[unsafe(no_mangle)]
            unsafe extern "C" fn $name($($arg: $ty),*) -> u32 {
                active::host_call(Function::$name, &[$($arg.into_word()),*])
            }
        )+

        /// The size of each parameter of each function.
        #[cfg(test)]
        const SIZES: &[&[usize]] = &[$(&[$(size_of::<$ty>()),*],)+];

        /// Keeps the functions in programs where only shared libraries call them.
        #[used]
        static KEEP: [Address; NAMES.len()] = [$(Address($name as *const ()),)+];
    };
}

struct Address(#[expect(dead_code, reason = "only its being there counts")] *const ());

// SAFETY: the address of a function, never read.
unsafe impl Sync for Address {}

host_functions! {
    proxy_log(level: u32, message_data: *const u8, message_size: usize);
    proxy_get_log_level(return_level: *mut u32);
    proxy_done();
    proxy_set_effective_context(context_id: u32);
    proxy_get_current_time_nanoseconds(return_time: *mut u64);
    proxy_set_tick_period_milliseconds(period: u32);
    proxy_get_buffer_bytes(
        buffer_id: u32,
        start: usize,
        max_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize
    );
    proxy_get_buffer_status(buffer_id: u32, return_size: *mut usize, return_unused: *mut u32);
    proxy_set_buffer_bytes(buffer_id: u32, start: usize, size: usize, data: *const u8, data_size: usize);
    proxy_get_header_map_size(map_id: u32, return_size: *mut usize);
    proxy_get_header_map_pairs(map_id: u32, return_data: *mut *mut u8, return_size: *mut usize);
    proxy_set_header_map_pairs(map_id: u32, data: *const u8, size: usize);
    proxy_get_header_map_value(
        map_id: u32,
        key_data: *const u8,
        key_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize
    );
    proxy_add_header_map_value(
        map_id: u32,
        key_data: *const u8,
        key_size: usize,
        value_data: *const u8,
        value_size: usize
    );
    proxy_replace_header_map_value(
        map_id: u32,
        key_data: *const u8,
        key_size: usize,
        value_data: *const u8,
        value_size: usize
    );
    proxy_remove_header_map_value(map_id: u32, key_data: *const u8, key_size: usize);
    proxy_continue_stream(stream_type: u32);
    proxy_close_stream(stream_type: u32);
    proxy_send_local_response(
        status_code: u32,
        details_data: *const u8,
        details_size: usize,
        body_data: *const u8,
        body_size: usize,
        headers_data: *const u8,
        headers_size: usize,
        grpc_status: i32
    );
    proxy_get_status(return_code: *mut u32, return_data: *mut *mut u8, return_size: *mut usize);
    proxy_http_call(
        upstream_data: *const u8,
        upstream_size: usize,
        headers_data: *const u8,
        headers_size: usize,
        body_data: *const u8,
        body_size: usize,
        trailers_data: *const u8,
        trailers_size: usize,
        timeout: u32,
        return_call_id: *mut u32
    );
    proxy_grpc_call(
        upstream_data: *const u8,
        upstream_size: usize,
        service_data: *const u8,
        service_size: usize,
        method_data: *const u8,
        method_size: usize,
        metadata_data: *const u8,
        metadata_size: usize,
        message_data: *const u8,
        message_size: usize,
        timeout: u32,
        return_call_id: *mut u32
    );
    proxy_grpc_stream(
        upstream_data: *const u8,
        upstream_size: usize,
        service_data: *const u8,
        service_size: usize,
        method_data: *const u8,
        method_size: usize,
        metadata_data: *const u8,
        metadata_size: usize,
        return_stream_id: *mut u32
    );
    proxy_grpc_send(stream_id: u32, message_data: *const u8, message_size: usize, end_stream: u8);
    proxy_grpc_cancel(call_id: u32);
    proxy_grpc_close(call_id: u32);
    proxy_get_shared_data(
        key_data: *const u8,
        key_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize,
        return_cas: *mut u32
    );
    proxy_set_shared_data(
        key_data: *const u8,
        key_size: usize,
        value_data: *const u8,
        value_size: usize,
        cas: u32
    );
    proxy_register_shared_queue(name_data: *const u8, name_size: usize, return_queue_id: *mut u32);
    proxy_resolve_shared_queue(
        vm_id_data: *const u8,
        vm_id_size: usize,
        name_data: *const u8,
        name_size: usize,
        return_queue_id: *mut u32
    );
    proxy_enqueue_shared_queue(queue_id: u32, data: *const u8, size: usize);
    proxy_dequeue_shared_queue(queue_id: u32, return_data: *mut *mut u8, return_size: *mut usize);
    proxy_define_metric(metric_type: u32, name_data: *const u8, name_size: usize, return_id: *mut u32);
    proxy_record_metric(metric_id: u32, value: u64);
    proxy_increment_metric(metric_id: u32, delta: i64);
    proxy_get_metric(metric_id: u32, return_value: *mut u64);
    proxy_get_property(
        path_data: *const u8,
        path_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize
    );
    proxy_set_property(path_data: *const u8, path_size: usize, value_data: *const u8, value_size: usize);
    proxy_call_foreign_function(
        name_data: *const u8,
        name_size: usize,
        arguments_data: *const u8,
        arguments_size: usize,
        return_data: *mut *mut u8,
        return_size: *mut usize
    );
}

#[cfg(test)]
mod tests {
    use enginebay_abi::{AbiVersion, functions};

    use super::*;

    #[test]
    fn the_functions_are_those_of_the_abi() {
        let mut names = NAMES.to_vec();
        names.sort_unstable();
        let mut expected: Vec<_> = functions::functions_of(AbiVersion::V0_2_1)
            .map(|def| def.name)
            .filter(|name| name.starts_with("proxy_"))
            .collect();
        expected.sort_unstable();
        assert_eq!(names, expected);
        assert_eq!(NAMES[Function::proxy_set_property as usize], "proxy_set_property");
    }

    #[test]
    fn the_parameters_are_those_of_the_abi() {
        for (name, sizes) in NAMES.iter().zip(SIZES) {
            let def = functions::lookup("env", name).unwrap();
            let expected: Vec<_> = def.params.iter().map(|param| native_size(*param)).collect();
            assert_eq!(*sizes, expected, "{name}");
        }
    }

    fn native_size(param: enginebay_abi::Param) -> usize {
        use enginebay_abi::Param;
        match param {
            Param::U32 => 4,
            Param::Bool => 1,
            Param::U64 | Param::F64 | Param::Ptr | Param::Size => 8,
        }
    }
}
