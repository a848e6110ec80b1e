//! HTTP calls.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use enginebay::host::{CalloutError, HttpCall, HttpCallResponse};
use enginebay::{Body as Buffer, HeaderMap};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, HeaderValue, TRANSFER_ENCODING, UPGRADE};
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Method, Request, Response, StatusCode, Uri};
use http_body_util::BodyExt;

use super::outgoing;
use super::upstreams::{LocalBoxBody, UpstreamFuture, Upstreams};
use crate::{Body, fields};

/// Starts a call. The future gives what the plugin is told: no response if there is none.
pub(super) fn send(
    upstreams: &dyn Upstreams,
    call: HttpCall,
    limit: usize,
) -> Result<impl Future<Output = Option<HttpCallResponse>> + use<>, CalloutError> {
    let HttpCall {
        upstream,
        headers,
        body,
        trailers,
        timeout,
    } = call;
    let request = request(&headers, body, &trailers)?;
    let sending = upstreams
        .send(&upstream, request)
        .ok_or(CalloutError::UnknownUpstream)?;
    Ok(async move {
        match within(timeout, receive(sending, limit)).await {
            Some(response) => response,
            None => Some(timed_out()),
        }
    })
}

/// `None` if it took too long.
pub(super) async fn within<F: Future>(timeout: Option<Duration>, work: F) -> Option<F::Output> {
    match timeout {
        Some(timeout) => tokio::time::timeout(timeout, work).await.ok(),
        None => Some(work.await),
    }
}

fn request(headers: &HeaderMap, body: Bytes, trailers: &HeaderMap) -> Result<Request<Body>, CalloutError> {
    let scheme = match headers.get(":scheme") {
        Some(b"https") => Scheme::HTTPS,
        _ => Scheme::HTTP,
    };
    let authority = Authority::try_from(headers.get(":authority").unwrap_or_default());
    let path = PathAndQuery::try_from(headers.get(":path").unwrap_or_default());
    let method = Method::from_bytes(headers.get(":method").unwrap_or_default());
    let (Ok(authority), Ok(path), Ok(method)) = (authority, path, method) else {
        return Err(CalloutError::Failed);
    };
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|_| CalloutError::Failed)?;
    let trailers = to_http(trailers)?;
    let mut request = Request::builder().method(method).uri(uri);
    if let Some(into) = request.headers_mut() {
        *into = to_http(headers)?;
        // The connection's own affair, and the body says itself how long it is.
        for name in [HOST, CONNECTION, UPGRADE, TRANSFER_ENCODING, CONTENT_LENGTH] {
            into.remove(name);
        }
    }
    let body = match trailers.is_empty() {
        true if body.is_empty() => Body::empty(),
        true => Body::from(body),
        false => Body::new(outgoing::Whole::new(body, trailers)),
    };
    request.body(body).map_err(|_| CalloutError::Failed)
}

/// A plugin's headers as HTTP has them, without pseudo-headers.
pub(super) fn to_http(headers: &HeaderMap) -> Result<http::HeaderMap, CalloutError> {
    let mut map = http::HeaderMap::new();
    for (name, value) in headers.iter().filter(|(name, _)| !name.starts_with(b":")) {
        fields::append(&mut map, name, value).map_err(|_| CalloutError::Failed)?;
    }
    Ok(map)
}

/// The head of a response as plugins see it.
pub(super) fn from_http(status: StatusCode, headers: &http::HeaderMap) -> HeaderMap {
    let mut map = HeaderMap::new();
    fields::add(&mut map, ":status", status.as_str().as_bytes());
    fields::add_all(&mut map, headers, None);
    map
}

async fn receive(sending: UpstreamFuture, limit: usize) -> Option<HttpCallResponse> {
    let response = match sending.await {
        Ok(response) => response,
        Err(error) => {
            tracing::debug!("a callout failed: {error}");
            return None;
        }
    };
    let (parts, mut incoming) = response.into_parts();
    let mut response = HttpCallResponse {
        headers: from_http(parts.status, &parts.headers),
        ..HttpCallResponse::default()
    };
    while let Some(frame) = incoming.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                tracing::debug!("the response to a callout broke off: {error}");
                return None;
            }
        };
        match frame.into_data() {
            Ok(data) => {
                if response.body.len().saturating_add(data.len()) > limit {
                    tracing::warn!(
                        "the response to a callout is larger than {limit} bytes and counts as none"
                    );
                    return None;
                }
                response.body.push(data);
            }
            Err(frame) => {
                if let Ok(trailers) = frame.into_trailers() {
                    fields::add_all(&mut response.trailers, &trailers, None);
                }
            }
        }
    }
    Some(response)
}

/// What Envoy tells a plugin whose call took too long.
fn timed_out() -> HttpCallResponse {
    const BODY: &str = "upstream request timeout";
    let mut headers = HeaderMap::new();
    let length = BODY.len().to_string();
    for (name, value) in [
        (":status", "504"),
        ("content-length", &length),
        ("content-type", "text/plain"),
    ] {
        fields::add(&mut headers, name, value.as_bytes());
    }
    let mut body = Buffer::new();
    body.push(Bytes::from_static(BODY.as_bytes()));
    HttpCallResponse {
        headers,
        body,
        ..HttpCallResponse::default()
    }
}

/// The beginning of a body, as text.
pub(super) async fn text(response: Response<LocalBoxBody>, limit: usize) -> String {
    let mut text = Vec::new();
    let mut body = response.into_body();
    while let Some(Ok(frame)) = body.frame().await {
        let Ok(data) = frame.into_data() else { break };
        let room = limit - text.len();
        text.extend_from_slice(&data[..data.len().min(room)]);
        if text.len() == limit {
            break;
        }
    }
    String::from_utf8_lossy(&text).into_owned()
}

/// A header with a value that is known to be one.
pub(super) fn insert(headers: &mut http::HeaderMap, name: HeaderName, value: &'static str) {
    headers.insert(name, HeaderValue::from_static(value));
}
