//! Callbacks by name.

use super::{Action, HostCalls, NativePlugin};
use crate::call::Call;
use crate::word::Word;

/// Calls one method. `None` when the number of words is wrong.
pub(crate) type NativeThunk = fn(&mut dyn NativePlugin, &Call<'_>, &[u64]) -> Option<u64>;

/// What a method returns, as a word.
trait Answer {
    fn into_word(self) -> u64;
}

impl Answer for () {
    fn into_word(self) -> u64 {
        0
    }
}

impl Answer for bool {
    fn into_word(self) -> u64 {
        u64::from(self)
    }
}

impl Answer for Action {
    fn into_word(self) -> u64 {
        u64::from(self as u32)
    }
}

macro_rules! thunks {
    ($( $name:ident => $method:ident ( $($arg:ident: $ty:ty),* ); )+) => {
        static THUNKS: &[(&str, NativeThunk)] = &[$(
            (stringify!($name), |plugin, call, args| {
                let &[$($arg),*] = args else {
                    return None;
                };
                let host = HostCalls::new(call);
                Some(Answer::into_word(plugin.$method(&host, $(<$ty>::from_word($arg)),*)))
            }),
        )+];
    };
}

thunks! {
    proxy_on_context_create => on_context_create(context: u32, parent: u32);
    proxy_on_vm_start => on_vm_start(root: u32, size: usize);
    proxy_validate_configuration => validate_configuration(root: u32, size: usize);
    proxy_on_configure => on_configure(root: u32, size: usize);
    proxy_on_tick => on_tick(root: u32);
    proxy_on_queue_ready => on_queue_ready(root: u32, queue: u32);
    proxy_on_foreign_function => on_foreign_function(root: u32, function: u32, size: usize);
    proxy_on_new_connection => on_new_connection(context: u32);
    proxy_on_downstream_data => on_downstream_data(context: u32, size: usize, end: bool);
    proxy_on_upstream_data => on_upstream_data(context: u32, size: usize, end: bool);
    proxy_on_downstream_connection_close => on_downstream_close(context: u32, peer: u32);
    proxy_on_upstream_connection_close => on_upstream_close(context: u32, peer: u32);
    proxy_on_request_headers => on_request_headers(context: u32, headers: usize, end: bool);
    proxy_on_request_body => on_request_body(context: u32, size: usize, end: bool);
    proxy_on_request_trailers => on_request_trailers(context: u32, trailers: usize);
    proxy_on_request_metadata => on_request_metadata(context: u32, elements: usize);
    proxy_on_response_headers => on_response_headers(context: u32, headers: usize, end: bool);
    proxy_on_response_body => on_response_body(context: u32, size: usize, end: bool);
    proxy_on_response_trailers => on_response_trailers(context: u32, trailers: usize);
    proxy_on_response_metadata => on_response_metadata(context: u32, elements: usize);
    proxy_on_http_call_response => on_http_call_response(
        root: u32,
        call: u32,
        headers: usize,
        body: usize,
        trailers: usize
    );
    proxy_on_grpc_receive_initial_metadata => on_grpc_initial_metadata(root: u32, call: u32, elements: usize);
    proxy_on_grpc_receive => on_grpc_message(root: u32, call: u32, size: usize);
    proxy_on_grpc_receive_trailing_metadata => on_grpc_trailing_metadata(root: u32, call: u32, elements: usize);
    proxy_on_grpc_close => on_grpc_close(root: u32, call: u32, status: u32);
    proxy_on_done => on_done(context: u32);
    proxy_on_log => on_log(context: u32);
    proxy_on_delete => on_delete(context: u32);
    envoy_on_stats_update => on_stats_update(root: u32, size: usize);
}

/// What calls the callback of this name.
pub(crate) fn thunk(name: &str) -> Option<NativeThunk> {
    THUNKS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, thunk)| *thunk)
}

/// Whether a Rust type has this export: the callbacks, and the allocator that it is lent.
pub(crate) fn has(name: &str) -> bool {
    name == "proxy_on_memory_allocate" || thunk(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry_points::ENTRY_POINTS;

    #[test]
    fn there_is_a_method_for_each_callback() {
        for entry in ENTRY_POINTS
            .iter()
            .filter(|entry| entry.name.starts_with("proxy_"))
        {
            assert!(has(entry.name), "{}", entry.name);
        }
        assert_eq!(THUNKS.len(), ENTRY_POINTS.len() - 5);
    }
}
