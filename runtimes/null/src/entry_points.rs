//! The functions of a plugin that a host may call, with their types in C.

use enginebay_engine::{Signature, ValType};

use crate::word::Word;

/// Calls one entry point. `None` when the plugin doesn't have it, or when the number of words is wrong.
///
/// # Safety
/// The function in the table has the type the table says, and may be called now.
pub(crate) type Thunk = unsafe fn(&EntryPoints, &[u64]) -> Option<u64>;

/// What there is to know of an entry point besides its address.
pub(crate) struct EntryPoint {
    pub(crate) name: &'static str,
    /// Its signature in WebAssembly.
    pub(crate) signature: Signature,
    pub(crate) is_in: fn(&EntryPoints) -> bool,
    pub(crate) thunk: Thunk,
    /// Puts in what `dlsym` found.
    #[cfg(feature = "dylib")]
    pub(crate) set: unsafe fn(&mut EntryPoints, *mut std::ffi::c_void),
}

macro_rules! result_type {
    () => {
        None
    };
    ($ty:ty) => {
        Some(<$ty as Word>::TYPE)
    };
}

macro_rules! result_word {
    ($call:expr) => {{
        $call;
        0
    }};
    ($call:expr, $ty:ty) => {
        <$ty as Word>::Raw::into_word($call)
    };
}

macro_rules! entry_points {
    ($( $name:ident ( $($arg:ident: $ty:ty),* ) $(-> $ret:ty)?; )+) => {
        /// The entry points of a plugin with the C interface, on native pointers: those of ABI 0.2.
        ///
        /// A table names the ones there are and takes the rest from [`EntryPoints::EMPTY`]; a later version may
        /// have more fields. All numbers and enums are `u32`, sizes `usize`.
        #[derive(Clone, Copy, Debug)]
        pub struct EntryPoints {
            $(
                #[doc = concat!("`", stringify!($name), "(", stringify!($($arg),*), ")`")]
                pub $name: Option<unsafe extern "C" fn($($ty),*) $(-> $ret)?>,
            )+
        }

        impl EntryPoints {
            /// A table without an entry point.
            pub const EMPTY: EntryPoints = EntryPoints { $($name: None,)+ };
        }

        pub(crate) static ENTRY_POINTS: &[EntryPoint] = &[$(
            EntryPoint {
                name: stringify!($name),
                signature: Signature::new(
                    const { &[$(<$ty as Word>::TYPE),*] as &[ValType] },
                    result_type!($($ret)?),
                ),
                is_in: |table| table.$name.is_some(),
                thunk: {
                    unsafe fn thunk(table: &EntryPoints, args: &[u64]) -> Option<u64> {
                        let (Some(function), &[$($arg),*]) = (table.$name, args) else {
                            return None;
                        };
                        #[allow(clippy::useless_transmute, reason = "only a `bool` changes")]
                        // SAFETY: the same type but for a `bool` result, which is taken as the byte it is
                        // returned in.
                        let function = unsafe {
                            std::mem::transmute::<
                                unsafe extern "C" fn($($ty),*) $(-> $ret)?,
                                unsafe extern "C" fn($($ty),*) $(-> <$ret as Word>::Raw)?,
                            >(function)
                        };
                        // SAFETY: the caller's promise.
                        Some(unsafe { result_word!(function($(<$ty>::from_word($arg)),*) $(, $ret)?) })
                    }
                    thunk
                },
                #[cfg(feature = "dylib")]
                set: |table, address| {
                    // SAFETY: a null pointer is `None`; any other is the address of a function that the
                    // caller says has this type.
                    table.$name = unsafe {
                        std::mem::transmute::<
                            *mut std::ffi::c_void,
                            Option<unsafe extern "C" fn($($ty),*) $(-> $ret)?>,
                        >(address)
                    };
                },
            },
        )+];
    };
}

entry_points! {
    _initialize();
    _start();
    main(argc: u32, argv: usize) -> u32;
    proxy_on_memory_allocate(memory_size: usize) -> *mut u8;
    malloc(memory_size: usize) -> *mut u8;
    proxy_on_context_create(context_id: u32, parent_context_id: u32);
    proxy_on_vm_start(plugin_context_id: u32, vm_configuration_size: usize) -> bool;
    proxy_validate_configuration(plugin_context_id: u32, plugin_configuration_size: usize) -> bool;
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
        plugin_context_id: u32,
        call_id: u32,
        num_headers: usize,
        body_size: usize,
        num_trailers: usize
    );
    proxy_on_grpc_receive_initial_metadata(plugin_context_id: u32, call_id: u32, num_elements: usize);
    proxy_on_grpc_receive(plugin_context_id: u32, call_id: u32, message_size: usize);
    proxy_on_grpc_receive_trailing_metadata(plugin_context_id: u32, call_id: u32, num_elements: usize);
    proxy_on_grpc_close(plugin_context_id: u32, call_id: u32, status_code: u32);
    proxy_on_done(context_id: u32) -> bool;
    proxy_on_log(context_id: u32);
    proxy_on_delete(context_id: u32);
    envoy_on_stats_update(plugin_context_id: u32, stats_size: usize);
}

#[cfg(test)]
mod tests {
    use enginebay_abi::{AbiVersion, Callback, Integration};

    use super::*;

    #[test]
    fn the_entry_points_are_those_of_the_abi() {
        let version = AbiVersion::V0_2_1;
        let callbacks = Callback::ALL.iter().map(|c| (c.name(), c.signature(version)));
        let integration = Integration::ALL.iter().map(|i| (i.name(), i.signature(version)));
        let expected: Vec<_> = callbacks.chain(integration).collect();
        assert_eq!(ENTRY_POINTS.len(), expected.len());
        for (name, signature) in expected {
            let entry = ENTRY_POINTS.iter().find(|entry| entry.name == name);
            assert_eq!(entry.map(|entry| entry.signature), signature, "{name}");
        }
    }

    #[test]
    fn an_empty_table_has_nothing() {
        for entry in ENTRY_POINTS {
            assert!(!(entry.is_in)(&EntryPoints::EMPTY));
            // SAFETY: there is no function in the table.
            assert_eq!(unsafe { (entry.thunk)(&EntryPoints::EMPTY, &[]) }, None);
        }
    }
}
