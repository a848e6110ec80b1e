//! The trait.

use super::{Action, HostCalls};

/// A plugin that is a Rust type. Each method is a callback of Proxy-Wasm; those that are not written do what a plugin
/// without the callback does.
///
/// `host` is for the host functions, `context` the number of the stream or plugin that the callback is for, `root` that
/// of a plugin. The host does not call the plugin while a method of it runs.
#[expect(
    unused_variables,
    reason = "the names are for those who read the documentation"
)]
pub trait NativePlugin: 'static {
    /// A context comes to be: that of a plugin if `parent` is 0, else a stream of the plugin `parent`.
    fn on_context_create(&mut self, host: &HostCalls<'_>, context: u32, parent: u32) {}

    /// The VM starts, with a configuration of this many bytes in [`Buffer::VmConfiguration`](super::Buffer::VmConfiguration). False refuses.
    fn on_vm_start(&mut self, host: &HostCalls<'_>, root: u32, configuration_size: usize) -> bool {
        true
    }

    /// The configuration is checked before it is used. False refuses.
    fn validate_configuration(&mut self, host: &HostCalls<'_>, root: u32, configuration_size: usize) -> bool {
        true
    }

    /// The plugin starts, with a configuration of this many bytes in [`Buffer::PluginConfiguration`](super::Buffer::PluginConfiguration). False refuses.
    fn on_configure(&mut self, host: &HostCalls<'_>, root: u32, configuration_size: usize) -> bool {
        true
    }

    /// The timer of a plugin, as [`HostCalls::set_tick_period`] set it.
    fn on_tick(&mut self, host: &HostCalls<'_>, root: u32) {}

    /// Something is in a queue that the plugin registered.
    fn on_queue_ready(&mut self, host: &HostCalls<'_>, root: u32, queue: u32) {}

    /// The host calls a function of the plugin, with this many bytes in [`Buffer::ForeignFunctionArguments`](super::Buffer::ForeignFunctionArguments).
    fn on_foreign_function(&mut self, host: &HostCalls<'_>, root: u32, function: u32, arguments_size: usize) {
    }

    /// A TCP connection is there.
    fn on_new_connection(&mut self, host: &HostCalls<'_>, context: u32) -> Action {
        Action::Continue
    }

    /// Bytes from the client of a TCP stream.
    fn on_downstream_data(
        &mut self,
        host: &HostCalls<'_>,
        context: u32,
        size: usize,
        end_of_stream: bool,
    ) -> Action {
        Action::Continue
    }

    /// Bytes from the server of a TCP stream.
    fn on_upstream_data(
        &mut self,
        host: &HostCalls<'_>,
        context: u32,
        size: usize,
        end_of_stream: bool,
    ) -> Action {
        Action::Continue
    }

    /// The client's side of a TCP stream is closed: by 1, this side, or 2, the other one; 0 where that isn't known.
    fn on_downstream_close(&mut self, host: &HostCalls<'_>, context: u32, peer: u32) {}

    /// The server's side of a TCP stream is closed.
    fn on_upstream_close(&mut self, host: &HostCalls<'_>, context: u32, peer: u32) {}

    /// The headers of a request.
    fn on_request_headers(
        &mut self,
        host: &HostCalls<'_>,
        context: u32,
        headers: usize,
        end_of_stream: bool,
    ) -> Action {
        Action::Continue
    }

    /// A part of a request's body, or all of it that is buffered.
    fn on_request_body(
        &mut self,
        host: &HostCalls<'_>,
        context: u32,
        size: usize,
        end_of_stream: bool,
    ) -> Action {
        Action::Continue
    }

    /// The trailers of a request.
    fn on_request_trailers(&mut self, host: &HostCalls<'_>, context: u32, trailers: usize) -> Action {
        Action::Continue
    }

    /// HTTP/2 metadata of a request.
    fn on_request_metadata(&mut self, host: &HostCalls<'_>, context: u32, elements: usize) -> Action {
        Action::Continue
    }

    /// The headers of a response.
    fn on_response_headers(
        &mut self,
        host: &HostCalls<'_>,
        context: u32,
        headers: usize,
        end_of_stream: bool,
    ) -> Action {
        Action::Continue
    }

    /// A part of a response's body, or all of it that is buffered.
    fn on_response_body(
        &mut self,
        host: &HostCalls<'_>,
        context: u32,
        size: usize,
        end_of_stream: bool,
    ) -> Action {
        Action::Continue
    }

    /// The trailers of a response.
    fn on_response_trailers(&mut self, host: &HostCalls<'_>, context: u32, trailers: usize) -> Action {
        Action::Continue
    }

    /// HTTP/2 metadata of a response.
    fn on_response_metadata(&mut self, host: &HostCalls<'_>, context: u32, elements: usize) -> Action {
        Action::Continue
    }

    /// The response to an [`HostCalls::http_call`]; no headers if the call failed.
    fn on_http_call_response(
        &mut self,
        host: &HostCalls<'_>,
        root: u32,
        call: u32,
        headers: usize,
        body_size: usize,
        trailers: usize,
    ) {
    }

    /// The initial metadata of a gRPC call.
    fn on_grpc_initial_metadata(&mut self, host: &HostCalls<'_>, root: u32, call: u32, elements: usize) {}

    /// A message of a gRPC call, in [`Buffer::GrpcMessage`](super::Buffer::GrpcMessage).
    fn on_grpc_message(&mut self, host: &HostCalls<'_>, root: u32, call: u32, size: usize) {}

    /// The trailing metadata of a gRPC call.
    fn on_grpc_trailing_metadata(&mut self, host: &HostCalls<'_>, root: u32, call: u32, elements: usize) {}

    /// The end of a gRPC call, with its status.
    fn on_grpc_close(&mut self, host: &HostCalls<'_>, root: u32, call: u32, status: u32) {}

    /// The host is done with a context. False keeps it until [`HostCalls::done`].
    fn on_done(&mut self, host: &HostCalls<'_>, context: u32) -> bool {
        true
    }

    /// The moment to write access logs.
    fn on_log(&mut self, host: &HostCalls<'_>, context: u32) {}

    /// A context is gone.
    fn on_delete(&mut self, host: &HostCalls<'_>, context: u32) {}

    /// A stats sink is told of counters and gauges, with this many bytes in
    /// [`Buffer::ForeignFunctionArguments`](super::Buffer::ForeignFunctionArguments).
    fn on_stats_update(&mut self, host: &HostCalls<'_>, root: u32, size: usize) {}
}
