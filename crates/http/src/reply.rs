//! Responses that the chain makes itself.

use std::fmt::Write;

use bytes::Bytes;
use enginebay::LocalResponse;
use enginebay::abi::GrpcStatus;
use http::{StatusCode, response};

use crate::ResponseDetails;
use crate::message::{BadRequest, response_parts};

/// A response instead of the service's.
pub(crate) enum Reply {
    /// A plugin's own.
    Plugin(LocalResponse),
    /// A plugin failed.
    Failed,
    /// Nobody has said yet what a plugin is to be.
    NotConfigured,
    /// A plugin held back more of the request than it may.
    RequestTooLarge,
    /// A plugin held back more of the response than it may.
    ResponseTooLarge,
    /// The plugins left no request that can be sent on.
    BadRequest(BadRequest),
    /// The plugins left no response that can be sent.
    BadResponse,
    /// A plugin closed the stream, or the client broke its request off.
    Closed,
    /// The service's response broke off before its head was sent.
    Upstream,
}

impl Reply {
    /// Head and body for this client.
    pub(crate) fn build(&self, grpc: bool, head_request: bool) -> (response::Parts, Bytes) {
        let none = Bytes::new();
        let (status, body, details) = match self {
            Reply::Plugin(response) => (
                status_code(response.status),
                response.body.clone(),
                String::from_utf8_lossy(&response.details).into_owned(),
            ),
            Reply::Failed => (
                StatusCode::SERVICE_UNAVAILABLE,
                none,
                "wasm_fail_stream".to_owned(),
            ),
            Reply::NotConfigured => (
                StatusCode::INTERNAL_SERVER_ERROR,
                none,
                "filter_config_not_found".to_owned(),
            ),
            Reply::RequestTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                Bytes::from_static(b"Payload Too Large"),
                "request_payload_too_large".to_owned(),
            ),
            Reply::ResponseTooLarge => (
                StatusCode::INTERNAL_SERVER_ERROR,
                Bytes::from_static(b"Internal Server Error"),
                "response_payload_too_large".to_owned(),
            ),
            Reply::BadRequest(BadRequest::NoPath) => {
                (StatusCode::NOT_FOUND, none, "route_not_found".to_owned())
            }
            Reply::BadRequest(BadRequest::NoMethod) => (
                StatusCode::SERVICE_UNAVAILABLE,
                none,
                "filter_removed_required_request_headers{missing required header: :method}".to_owned(),
            ),
            Reply::BadRequest(BadRequest::Invalid) => (
                StatusCode::BAD_REQUEST,
                none,
                "wasm_invalid_request_headers".to_owned(),
            ),
            Reply::BadResponse => (
                StatusCode::INTERNAL_SERVER_ERROR,
                none,
                "wasm_invalid_response_headers".to_owned(),
            ),
            Reply::Upstream => (
                StatusCode::SERVICE_UNAVAILABLE,
                none,
                "upstream_reset_before_response_started".to_owned(),
            ),
            Reply::Closed => (
                StatusCode::SERVICE_UNAVAILABLE,
                none,
                "wasm_close_stream".to_owned(),
            ),
        };
        let plugin = match self {
            Reply::Plugin(response) => Some(response),
            _ => None,
        };
        let headers = plugin.into_iter().flat_map(|response| response.headers.iter());
        let (mut parts, body) = if grpc {
            grpc_reply(status, plugin.and_then(|p| p.grpc_status), headers, &body)
        } else {
            let default_type = (!body.is_empty()).then_some("text/plain");
            let parts = response_parts(status, headers, default_type, &body);
            let body = if head_request { Bytes::new() } else { body };
            (parts, body)
        };
        parts.extensions.insert(ResponseDetails(details));
        (parts, body)
    }
}

/// What HTTP can't express becomes 500.
fn status_code(status: u32) -> StatusCode {
    u16::try_from(status)
        .ok()
        .and_then(|status| StatusCode::from_u16(status).ok())
        .filter(|status| !status.is_informational())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}

/// For a gRPC client: the status in the headers, the message percent-encoded, no body.
fn grpc_reply<'a>(
    status: StatusCode,
    grpc_status: Option<u32>,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    message: &[u8],
) -> (response::Parts, Bytes) {
    let none = Bytes::new();
    let headers =
        headers.filter(|(name, _)| !matches!(*name, b"content-type" | b"grpc-status" | b"grpc-message"));
    let mut parts = response_parts(StatusCode::OK, headers, None, &none);
    parts.headers.remove(http::header::CONTENT_LENGTH);
    let code = grpc_status.unwrap_or_else(|| grpc_code(status));
    let mut own = vec![
        ("content-type", "application/grpc".to_owned()),
        ("grpc-status", code.to_string()),
    ];
    if !message.is_empty() {
        own.push(("grpc-message", percent_encode(message)));
    }
    for (name, value) in own {
        if let Ok(value) = http::HeaderValue::try_from(value) {
            parts.headers.insert(name, value);
        }
    }
    (parts, none)
}

/// The gRPC status for an HTTP status.
pub(crate) fn grpc_code(status: StatusCode) -> u32 {
    GrpcStatus::from_http(status.as_u16().into()).as_u32()
}

/// Everything but printable ASCII, and the percent sign, as `%XX`.
fn percent_encode(message: &[u8]) -> String {
    let mut out = String::with_capacity(message.len());
    for byte in message {
        match byte {
            b' '..=b'~' if *byte != b'%' => out.push(char::from(*byte)),
            byte => {
                // A `String` takes everything.
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use enginebay::HeaderMap;

    use super::*;

    fn plugin(status: u32, body: &'static str, headers: &[(&str, &str)]) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.add(name, value).unwrap();
        }
        Reply::Plugin(LocalResponse {
            status,
            details: b"why".to_vec(),
            headers: map,
            body: body.into(),
            grpc_status: None,
        })
    }

    #[test]
    fn status_numbers_that_http_does_not_know() {
        for (given, sent) in [
            (200, 200),
            (999, 999),
            (99, 500),
            (101, 500),
            (1000, 500),
            (u32::MAX, 500),
        ] {
            assert_eq!(plugin(given, "", &[]).build(false, false).0.status.as_u16(), sent);
        }
    }

    #[test]
    fn length_and_type_are_filled_in() {
        let (parts, body) = plugin(
            200,
            "abc",
            &[("content-length", "7"), ("x", "y"), (":status", "1")],
        )
        .build(false, false);
        assert_eq!(body, "abc");
        assert_eq!(parts.headers["content-length"], "3");
        assert_eq!(parts.headers["content-type"], "text/plain");
        assert_eq!(parts.headers["x"], "y");
        assert_eq!(parts.headers.len(), 3);

        let (parts, _) = plugin(200, "{}", &[("content-type", "application/json")]).build(false, false);
        assert_eq!(parts.headers["content-type"], "application/json");

        let (parts, body) = plugin(200, "abc", &[]).build(false, true);
        assert_eq!(
            (parts.headers["content-length"].as_bytes(), &body[..]),
            (&b"3"[..], &b""[..])
        );
    }

    #[test]
    fn grpc_clients_get_a_grpc_status() {
        let (parts, body) = plugin(403, "50% é", &[("x", "y")]).build(true, false);
        assert_eq!(parts.status, 200);
        assert!(body.is_empty());
        assert_eq!(parts.headers["grpc-status"], "7");
        assert_eq!(parts.headers["grpc-message"], "50%25 %C3%A9");
        assert_eq!(parts.headers["content-type"], "application/grpc");
        assert_eq!(parts.headers["x"], "y");
        let (parts, _) = Reply::Failed.build(true, false);
        assert_eq!(parts.headers["grpc-status"], "14");
    }
}
