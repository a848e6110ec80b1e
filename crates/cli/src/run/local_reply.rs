//! What a client gets instead of the upstream's response, put together as Envoy does it.

use bytes::Bytes;
use enginebay::abi::GrpcStatus;
use enginebay::{HeaderMap, LocalResponse};

/// A response made on the spot.
#[derive(Debug)]
pub(super) struct LocalReply {
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl LocalReply {
    /// The plugin's own answer to this request.
    pub(super) fn from_plugin(response: &LocalResponse, request: &HeaderMap) -> Self {
        // A plugin may pass anything.
        let grpc_status = response.grpc_status.and_then(GrpcStatus::from_u32);
        Self::new(
            response.status,
            &response.headers,
            &response.body,
            grpc_status,
            request,
        )
    }

    /// The answer when the plugin failed: `FAIL_CLOSED`.
    pub(super) fn unavailable(request: &HeaderMap) -> Self {
        Self::new(503, &HeaderMap::new(), &Bytes::new(), None, request)
    }

    fn new(
        status: u32,
        extra: &HeaderMap,
        body: &Bytes,
        grpc_status: Option<GrpcStatus>,
        request: &HeaderMap,
    ) -> Self {
        let mut headers = HeaderMap::new();
        let mut put = |name: &str, value: &[u8]| {
            // A map with one header has room for another few; the names are fixed, the values checked.
            let _ = headers.set(name, value);
        };
        put(":status", status.to_string().as_bytes());
        for (name, value) in extra.iter() {
            let _ = headers.add(name, value);
        }
        if is_grpc(request) {
            let _ = headers.set(":status", "200");
            let _ = headers.set("content-type", "application/grpc");
            if headers.get("grpc-status").is_none() {
                let code = grpc_status.unwrap_or(GrpcStatus::from_http(status)).as_u32();
                let _ = headers.set("grpc-status", code.to_string());
            }
            if !body.is_empty() && headers.get("grpc-message").is_none() {
                let _ = headers.set("grpc-message", percent_encode(body));
            }
            headers.remove("content-length");
            return LocalReply {
                headers,
                body: Bytes::new(),
            };
        }
        if body.is_empty() {
            headers.remove("content-length");
            headers.remove("content-type");
        } else {
            let _ = headers.set("content-length", body.len().to_string());
            if headers.get("content-type").is_none() {
                let _ = headers.set("content-type", "text/plain");
            }
        }
        let head = request.get(":method") == Some(b"HEAD");
        LocalReply {
            headers,
            body: if head { Bytes::new() } else { body.clone() },
        }
    }
}

fn is_grpc(request: &HeaderMap) -> bool {
    request
        .get("content-type")
        .and_then(|value| value.strip_prefix(b"application/grpc"))
        .is_some_and(|rest| rest.is_empty() || rest[0] == b'+')
}

fn percent_encode(text: &[u8]) -> String {
    let mut out = String::new();
    for &byte in text {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => out += &format!("%{byte:02X}"),
            _ => out.push(char::from(byte)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.add(name, value).unwrap();
        }
        map
    }

    fn response(status: u32, headers: &[(&str, &str)], body: &'static str) -> LocalResponse {
        LocalResponse {
            status,
            details: Vec::new(),
            headers: map(headers),
            body: Bytes::from_static(body.as_bytes()),
            grpc_status: None,
        }
    }

    #[test]
    fn a_body_gets_a_length_and_a_type() {
        let reply = LocalReply::from_plugin(&response(403, &[("x-a", "b")], "no"), &map(&[]));
        let expected = [
            (":status", "403"),
            ("x-a", "b"),
            ("content-length", "2"),
            ("content-type", "text/plain"),
        ];
        assert_eq!(reply.headers, map(&expected));
        assert_eq!(reply.body, "no");
    }

    #[test]
    fn no_body_has_neither() {
        let given = [("content-type", "a/b"), ("content-length", "7")];
        let reply = LocalReply::from_plugin(&response(204, &given, ""), &map(&[]));
        assert_eq!(reply.headers, map(&[(":status", "204")]));
    }

    #[test]
    fn head_gets_headers_only() {
        let reply = LocalReply::from_plugin(&response(403, &[], "no"), &map(&[(":method", "HEAD")]));
        assert_eq!(reply.headers.get("content-length"), Some(&b"2"[..]));
        assert!(reply.body.is_empty());
    }

    #[test]
    fn a_grpc_client_gets_a_grpc_status() {
        let grpc = map(&[("content-type", "application/grpc+proto")]);
        let reply = LocalReply::from_plugin(&response(403, &[], "n\no%"), &grpc);
        let expected = [
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", "7"),
            ("grpc-message", "n%0Ao%25"),
        ];
        assert_eq!(reply.headers, map(&expected));
        let reply = LocalReply::unavailable(&grpc);
        assert_eq!(reply.headers.get("grpc-status"), Some(&b"14"[..]));
        let other = map(&[("content-type", "application/grpc-web")]);
        assert_eq!(
            LocalReply::unavailable(&other).headers,
            map(&[(":status", "503")])
        );
    }
}
