//! A request's way to an upstream and its response's way back.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Instant;

use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri, Version};
use http_body::Body as _;

use super::body::{Routed, Upload, UpstreamBody};
use super::cluster::Cluster;
use super::deadline::{Deadline, Uploaded};
use super::failure::Failure;
use crate::serve::attributes::Exchange;
use crate::serve::headers;
use crate::serve::reply::ReplyBody;
use crate::serve::router::RequestBody;
use crate::serve::routes::ForwardTo;

static ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-envoy-original-host");
static ORIGINAL_PATH: HeaderName = HeaderName::from_static("x-envoy-original-path");
static SERVICE_TIME: HeaderName = HeaderName::from_static("x-envoy-upstream-service-time");

/// Sends a request to a host of the cluster, and gives the response when its head is there.
pub(in crate::serve) fn forward(
    cluster: Rc<Cluster>,
    to: &ForwardTo,
    request: Request<RequestBody>,
    exchange: Option<Rc<Exchange>>,
) -> impl Future<Output = Result<Response<ReplyBody>, Failure>> + use<> {
    let target = cluster.pick().map(|host| {
        if let Some(exchange) = &exchange {
            exchange.chose(host.address(), host.endpoint());
        }
        let request = address(request, Some(to), host.http2());
        (host, request)
    });
    let timeout = to.route.timeout;
    async move {
        let (host, request) = target.ok_or(Failure::NoHost)?;
        let request = request?;
        let uploaded = (!request.body().is_end_stream()).then(Rc::<Uploaded>::default);
        let mut deadline = Deadline::new(timeout, uploaded.clone());
        let request = request.map(|body| Upload::Routed(Routed::new(body, uploaded)));
        let started = Instant::now();
        let sent = {
            let mut sending = pin!(host.send(request, exchange.as_deref()));
            poll_fn(|context| match sending.as_mut().poll(context) {
                Poll::Ready(result) => Poll::Ready(result),
                Poll::Pending => deadline.poll(context).map(|()| Err(Failure::Timeout)),
            })
            .await
        };
        let (response, lease) = sent?;
        let mut response = response.map(|body| ReplyBody::Upstream(UpstreamBody::new(body, lease, deadline)));
        headers::clean_response(response.headers_mut());
        let milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        response
            .headers_mut()
            .insert(&SERVICE_TIME, HeaderValue::from(milliseconds));
        Ok(response)
    }
}

/// Gives a request the target, the host and the version that its upstream is to see. Without a route, the target and
/// the host stay.
pub(super) fn address<B>(
    request: Request<B>,
    to: Option<&ForwardTo>,
    http2: bool,
) -> Result<Request<B>, Failure> {
    let (mut parts, body) = request.into_parts();
    let authority = match to.and_then(|to| to.host_rewrite.as_ref()) {
        None => authority_of(&parts.uri, &parts.headers),
        Some(rewritten) => {
            if let Some(original) = authority_of(&parts.uri, &parts.headers) {
                parts.headers.insert(&ORIGINAL_HOST, original);
            }
            Some(rewritten.clone())
        }
    };
    let mut path = parts.uri.path_and_query().cloned();
    if let Some(rewritten) = to.and_then(|to| rewrite(path.as_ref(), to)) {
        if let Some(original) = path.and_then(|path| HeaderValue::from_str(path.as_str()).ok()) {
            parts.headers.insert(&ORIGINAL_PATH, original);
        }
        path = Some(PathAndQuery::try_from(rewritten).map_err(|_| Failure::Protocol)?);
    }
    let path = path.unwrap_or_else(|| PathAndQuery::from_static("/"));
    // Plugins may have put some of these in.
    headers::clean_request(&mut parts.headers);
    if http2 {
        parts.headers.remove(HOST);
        let authority = authority.ok_or(Failure::Protocol)?;
        let authority = Authority::try_from(authority.as_bytes()).map_err(|_| Failure::Protocol)?;
        let mut uri = http::uri::Parts::default();
        // A client's scheme is only what it claims.
        let scheme = parts.uri.scheme().filter(|_| to.is_none());
        uri.scheme = Some(scheme.cloned().unwrap_or(Scheme::HTTP));
        uri.authority = Some(authority);
        uri.path_and_query = Some(path);
        parts.uri = Uri::from_parts(uri).map_err(|_| Failure::Protocol)?;
        parts.version = Version::HTTP_2;
    } else {
        if let Some(authority) = authority {
            parts.headers.insert(HOST, authority);
        }
        parts.uri = Uri::from(path);
        parts.version = Version::HTTP_11;
    }
    parts.extensions.clear();
    Ok(Request::from_parts(parts, body))
}

fn authority_of(uri: &Uri, headers: &HeaderMap) -> Option<HeaderValue> {
    match uri.authority() {
        Some(authority) => HeaderValue::from_str(authority.as_str()).ok(),
        None => headers.get(HOST).cloned(),
    }
}

/// The path and query with what matched replaced (`prefix_rewrite`).
fn rewrite(path: Option<&PathAndQuery>, to: &ForwardTo) -> Option<String> {
    let replacement = to.route.prefix_rewrite.as_deref()?;
    let path = path?.as_str();
    Some(format!("{replacement}{}", path.get(to.matched..)?))
}
