//! HTTP calls.

use std::future::Future;

use bytes::Bytes;
use enginebay::host::{CalloutError, HttpCall, HttpCallResponse};
use enginebay::{Body as Buffer, HeaderMap};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE};
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
    let trailers = to_http(&trailers)?;
    let body = match trailers.is_empty() {
        true if body.is_empty() => Body::empty(),
        true => Body::from(body),
        false => Body::new(outgoing::Whole::new(body, trailers)),
    };
    let scheme = match headers.get(":scheme") {
        Some(b"https") => Scheme::HTTPS,
        _ => Scheme::HTTP,
    };
    let given = |name| headers.get(name).unwrap_or_default();
    let method = Method::from_bytes(given(":method")).map_err(|_| CalloutError::Failed)?;
    let request = request(
        method,
        scheme,
        given(":authority"),
        given(":path"),
        &headers,
        body,
    )?;
    let sending = upstreams
        .send(&upstream, request)
        .ok_or(CalloutError::UnknownUpstream)?;
    Ok(async move {
        let response = receive(sending, limit);
        match timeout {
            Some(timeout) => tokio::time::timeout(timeout, response)
                .await
                .unwrap_or_else(|_| Some(timed_out())),
            None => response.await,
        }
    })
}

/// A request with a plugin's headers.
pub(super) fn request(
    method: Method,
    scheme: Scheme,
    authority: &[u8],
    path: &[u8],
    headers: &HeaderMap,
    body: Body,
) -> Result<Request<Body>, CalloutError> {
    let failed = |_| CalloutError::Failed;
    let authority = Authority::try_from(authority).map_err(failed)?;
    let path = PathAndQuery::try_from(path).map_err(failed)?;
    let uri = Uri::builder()
        .scheme(scheme)
        .authority(authority)
        .path_and_query(path)
        .build()
        .map_err(|_| CalloutError::Failed)?;
    let mut headers = to_http(headers)?;
    // The connection's own affair, and the body says itself how long it is.
    for name in [HOST, CONNECTION, UPGRADE, TRANSFER_ENCODING, CONTENT_LENGTH] {
        headers.remove(name);
    }
    let mut request = Request::new(body);
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    *request.headers_mut() = headers;
    Ok(request)
}

/// A plugin's headers as HTTP has them, without pseudo-headers.
fn to_http(headers: &HeaderMap) -> Result<http::HeaderMap, CalloutError> {
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
