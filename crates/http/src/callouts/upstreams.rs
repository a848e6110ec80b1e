//! What the embedder supplies.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response};

use crate::{Body, BoxError};

/// A body that stays on its thread.
pub type LocalBoxBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError>>>;

/// A request on its way to an upstream. Dropped, the request is broken off.
pub type UpstreamFuture = Pin<Box<dyn Future<Output = Result<Response<LocalBoxBody>, BoxError>>>>;

/// Sends plugins' callouts (`proxy_http_call`, `proxy_grpc_call`, `proxy_grpc_stream`) from one thread.
///
/// ```
/// use std::convert::Infallible;
///
/// use enginebay_http::{Body, LocalBoxBody, UpstreamFuture, Upstreams};
/// use http::{Request, Response};
/// use http_body_util::{BodyExt, Empty};
///
/// /// One upstream, which answers 204 to everything.
/// struct Nothing;
///
/// impl Upstreams for Nothing {
///     fn send(&self, upstream: &str, _request: Request<Body>) -> Option<UpstreamFuture> {
///         (upstream == "nothing").then(|| -> UpstreamFuture {
///             Box::pin(async {
///                 let body: LocalBoxBody = Box::pin(Empty::new().map_err(|never: Infallible| match never {}));
///                 Ok(Response::builder().status(204).body(body)?)
///             })
///         })
///     }
/// }
/// ```
pub trait Upstreams {
    /// Sends a request to the upstream of this name, which for Envoy is a cluster. `None` if there is none.
    ///
    /// The request's URI has scheme, authority and path as the plugin gave them. A request of [`http::Version::HTTP_2`] is a
    /// gRPC one, and needs trailers in the response. The chain keeps the plugin's timeout and bounds the response's size
    /// itself. A failure to reach the upstream is best told as a response, as Envoy does it: 503, or 504 for a time-out. An
    /// error is told the plugin as a response without headers, or as gRPC status 14.
    ///
    /// Called while a plugin's callback runs, so it must not do more than make the future, and must not call into the chain.
    /// The future is run by [`LocalChain::background`](crate::LocalChain::background).
    fn send(&self, upstream: &str, request: Request<Body>) -> Option<UpstreamFuture>;
}

/// No upstreams.
impl Upstreams for () {
    fn send(&self, _: &str, _: Request<Body>) -> Option<UpstreamFuture> {
        None
    }
}
