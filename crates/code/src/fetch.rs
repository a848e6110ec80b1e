//! What the embedder supplies.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use http::{Request, Response, Uri};

/// Why something could not be sent or received.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A response's body. It stays on its thread.
pub type FetchBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError>>>;

/// A request on its way. Dropped, the request is broken off.
pub type FetchFuture = Pin<Box<dyn Future<Output = Result<Response<FetchBody>, BoxError>>>>;

/// Sends the requests for code, all from the thread of the [`Driver`](crate::Driver).
pub trait Fetch {
    /// Sends a request to this cluster (`http_uri.cluster`). `None` if there is none of that name.
    ///
    /// The request is a `GET` without a body. Its URI has scheme, authority and path; whether there is TLS is the cluster's
    /// business. Redirects must not be followed: code over HTTP never is redirected, as on Envoy, and for images this crate
    /// does it. The body must be read only as it is polled, so that one that is too large is never held. Time-out, retries
    /// and limits are kept by this crate. A cluster that can't be reached may be told as a response, which for Envoy is 503,
    /// or as an error.
    fn get(&self, cluster: &str, request: Request<()>) -> Option<FetchFuture>;

    /// The cluster for a host that no configuration names: where a registry's tokens are, or where it redirects those who ask
    /// for a layer. `None`, which is the default, if there is none; such images can't be fetched then.
    fn cluster_of(&self, uri: &Uri) -> Option<String> {
        let _ = uri;
        None
    }
}
