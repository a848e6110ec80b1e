//! What the embedder supplies for each stream.

use std::ops::DerefMut;

use bytes::Bytes;
use enginebay_abi::property::PropertyPath;
use enginebay_abi::{BufferType, MapType, Status, StreamType};

use crate::{Body, HeaderMap};

/// A response that a plugin sends itself (`proxy_send_local_response`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalResponse {
    /// The HTTP status, as the plugin gave it: not necessarily one that HTTP knows.
    pub status: u32,
    /// The plugin's explanation, for logs (`%RESPONSE_CODE_DETAILS%`). Not sent.
    pub details: Vec<u8>,
    /// Headers to add.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The gRPC status to send to a gRPC client, if the plugin gave one.
    pub grpc_status: Option<u32>,
}

/// How long something in the filter state lives (`envoy.source.extensions.common.wasm.LifeSpan`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum LifeSpan {
    /// `FilterChain`: to the end of the filter chain, which for HTTP is the end of the request.
    #[default]
    FilterChain,
    /// `DownstreamRequest`: to the end of the request, over internal redirects.
    DownstreamRequest,
    /// `DownstreamConnection`: to the end of the client's connection.
    DownstreamConnection,
}

/// What a plugin said about a property that it sets (Envoy's foreign function `declare_property`). The default is what
/// holds for properties that it said nothing of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PropertyDeclaration {
    /// Once set, the value stays.
    pub read_only: bool,
    /// How long it lives.
    pub span: LifeSpan,
}

/// The state of one stream, owned by the [`Vm`](crate::Vm) that runs a plugin on it.
///
/// Host functions reach the stream through this trait. A method must not call into the VM: what it asks the
/// embedder to do, such as sending a response, is done after the callback that asked for it returned.
///
/// What a stream does not have it leaves to the defaults.
pub trait StreamState: 'static {
    /// One of the stream's header maps, while it can be read and changed; see the specification's section
    /// "HTTP fields" for when that is.
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        let _ = map;
        None::<&mut HeaderMap>
    }

    /// One of the stream's buffers, while it can be read and changed; see the specification's section
    /// "Buffers" for when that is.
    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        let _ = buffer;
        None::<&mut Body>
    }

    /// Answers the request instead of the upstream (`proxy_send_local_response`). A guest may ask for that any
    /// number of times: keep one.
    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        let _ = response;
        Status::BadArgument
    }

    /// Goes on with a paused direction (`proxy_continue_stream`).
    fn continue_stream(&mut self, stream: StreamType) -> Status {
        let _ = stream;
        Status::Unimplemented
    }

    /// Closes a direction (`proxy_close_stream`). One that the stream doesn't have is closed already.
    fn close_stream(&mut self, stream: StreamType) -> Status {
        let _ = stream;
        Status::Ok
    }

    /// Has the route chosen anew (`proxy_clear_route_cache` of ABI 0.1.0).
    fn clear_route_cache(&mut self) -> Status {
        Status::Ok
    }

    /// Writes the value of a property to `out`, which is empty (`proxy_get_property`), or says that there is
    /// none. [`enginebay_abi::values`] has the encodings.
    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let _ = (path, out);
        false
    }

    /// Sets a property (`proxy_set_property`). How large path and value may be is bounded by
    /// [`VmLimits::property`](crate::VmLimits::property); how many there may be is for the implementation to bound.
    /// `declared` says what kind of property it is to be.
    fn set_property(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declared: &PropertyDeclaration,
    ) -> Status {
        let _ = (path, value, declared);
        Status::NotFound
    }

    /// Puts a string into the stream's filter state (Envoy's foreign function `set_envoy_filter_state`).
    fn set_filter_state(&mut self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        let _ = (key, value, span);
        Status::Unimplemented
    }
}

/// A stream without anything: for plugins that run in the background only.
impl StreamState for () {}
