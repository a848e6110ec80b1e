//! The guest `scripted`, compiled natively and linked in.

use enginebay::null::{EntryPoints, NullPlugin};
use scripted::exports;

use crate::suite::NATIVE_PLUGIN;

macro_rules! entry_points {
    ($($name:ident)+) => {
        EntryPoints {
            $($name: Some(exports::$name),)+
            ..EntryPoints::EMPTY
        }
    };
}

// SAFETY: the guest's functions have the types that the table wants, and are what the ABI says.
const PLUGIN: NullPlugin = unsafe {
    NullPlugin::table(
        NATIVE_PLUGIN,
        entry_points! {
            _initialize
            proxy_on_memory_allocate
            proxy_on_context_create
            proxy_on_vm_start
            proxy_on_configure
            proxy_on_tick
            proxy_on_queue_ready
            proxy_on_foreign_function
            proxy_on_new_connection
            proxy_on_downstream_data
            proxy_on_upstream_data
            proxy_on_downstream_connection_close
            proxy_on_upstream_connection_close
            proxy_on_request_headers
            proxy_on_request_body
            proxy_on_request_trailers
            proxy_on_request_metadata
            proxy_on_response_headers
            proxy_on_response_body
            proxy_on_response_trailers
            proxy_on_response_metadata
            proxy_on_http_call_response
            proxy_on_grpc_receive_initial_metadata
            proxy_on_grpc_receive
            proxy_on_grpc_receive_trailing_metadata
            proxy_on_grpc_close
            proxy_on_done
            proxy_on_log
            proxy_on_delete
            envoy_on_stats_update
        },
    )
};

enginebay::null::submit!(PLUGIN);
