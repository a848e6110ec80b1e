//! What only the embedder knows of a stream: its route, its upstream, its TLS.

use std::fmt;
use std::sync::Arc;

use enginebay::abi::PropertyPath;

use crate::message::RequestHead;

/// Attributes that the embedder knows: the route and the upstream, TLS, its configuration, or its own.
///
/// Nothing is asked for that no plugin wants. The chain answers by itself what follows from the messages and from
/// [`ConnectionInfo`](crate::ConnectionInfo), and has defaults for what Envoy always has
/// ([`enginebay::abi::attributes::ATTRIBUTES`] lists all). Where to put an implementation:
///
/// - [`ConnectionInfo::attributes`](crate::ConnectionInfo::attributes), for what holds for all requests of a connection;
/// - [`StreamAttributes`], as an extension of a request or of a response;
/// - [`LocalBody::set_attributes`](crate::LocalBody::set_attributes), for what a service on the chain's thread learns.
///
/// They are asked in the opposite order: whoever learned something last is believed.
pub trait Attributes {
    /// Writes the value of an attribute to `out`, which is empty, or says that there is none now. The path has no `xds` in
    /// front: `xds.route_name` is `route_name`. [`enginebay::abi::values`] has the encodings.
    ///
    /// Must not call into the chain: a plugin's callback is running.
    fn attribute(&self, stream: &StreamView<'_>, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool;
}

/// What [`Attributes`] may look at.
pub struct StreamView<'a> {
    request: Option<&'a RequestHead>,
}

impl<'a> StreamView<'a> {
    pub(crate) fn new(request: Option<&'a RequestHead>) -> Self {
        StreamView { request }
    }

    /// The first value of a header of the request as the plugins have left it so far, `:path`, `:authority`, `:method` and
    /// `:scheme` among them. The name is in lower case. `None` also where there is no request.
    pub fn request_header(&self, name: &str) -> Option<&'a [u8]> {
        self.request?.value(name)
    }
}

impl fmt::Debug for StreamView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamView").finish_non_exhaustive()
    }
}

/// [`Attributes`] as an extension of a request, or of a response for what is known only then.
#[derive(Clone)]
pub struct StreamAttributes(pub Arc<dyn Attributes + Send + Sync>);

impl fmt::Debug for StreamAttributes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("StreamAttributes").finish_non_exhaustive()
    }
}
