//! Header hygiene: what belongs to one connection is not passed on.

use http::header::{CONNECTION, EXPECT, HeaderMap, HeaderName, HeaderValue, TE, TRANSFER_ENCODING, UPGRADE};

static KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
static PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

fn of_connection(name: &HeaderName) -> bool {
    *name == CONNECTION
        || *name == TRANSFER_ENCODING
        || *name == UPGRADE
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
}

/// Removes from a request what belongs to the connection it came on: `connection` and what that names,
/// `keep-alive`, `proxy-connection`, `transfer-encoding`, `upgrade`, `expect`, and `te` but for `trailers`.
///
/// `expect` is answered by the server when the body is first read.
pub(super) fn clean_request(headers: &mut HeaderMap) {
    // One pass that usually finds nothing costs less than looking for each.
    if !headers
        .keys()
        .any(|name| of_connection(name) || *name == TE || *name == EXPECT)
    {
        return;
    }
    remove_named_by_connection(headers);
    if headers.get(TE).is_some_and(|value| !allows_trailers(value)) {
        headers.remove(TE);
    }
    headers.remove(EXPECT);
    remove_of_connection(headers);
}

/// Removes from a response what belongs to the connection it came on.
pub(super) fn clean_response(headers: &mut HeaderMap) {
    if headers.keys().any(of_connection) {
        remove_of_connection(headers);
    }
}

fn remove_of_connection(headers: &mut HeaderMap) {
    for name in [
        &CONNECTION,
        &TRANSFER_ENCODING,
        &UPGRADE,
        &KEEP_ALIVE,
        &PROXY_CONNECTION,
    ] {
        headers.remove(name);
    }
}

fn remove_named_by_connection(headers: &mut HeaderMap) {
    let mut named = Vec::new();
    for value in headers.get_all(CONNECTION) {
        for token in value.as_bytes().split(|byte| *byte == b',') {
            if let Ok(name) = HeaderName::from_bytes(token.trim_ascii()) {
                named.push(name);
            }
        }
    }
    for name in named {
        // `te` has a rule of its own; the rest a sender could name to hide it from a filter.
        if name != TE && name != http::header::HOST && name != http::header::CONTENT_LENGTH {
            headers.remove(name);
        }
    }
}

fn allows_trailers(value: &HeaderValue) -> bool {
    value
        .as_bytes()
        .split(|byte| *byte == b',')
        .any(|token| token.trim_ascii().eq_ignore_ascii_case(b"trailers"))
}

/// Whether a request asks to leave HTTP. An upgrade to HTTP/2 is only an offer.
pub(super) fn asks_for_upgrade(headers: &HeaderMap) -> bool {
    headers
        .get(UPGRADE)
        .is_some_and(|protocol| !protocol.as_bytes().eq_ignore_ascii_case(b"h2c"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pairs = pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        pairs.collect()
    }

    #[test]
    fn what_belongs_to_the_connection_goes() {
        let mut headers = map(&[
            ("host", "x"),
            ("connection", "keep-alive, foo , host"),
            ("foo", "bar"),
            ("te", "trailers"),
            ("keep-alive", "3"),
            ("proxy-connection", "x"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("x-kept", "1"),
        ]);
        clean_request(&mut headers);
        assert_eq!(
            headers,
            map(&[("host", "x"), ("te", "trailers"), ("x-kept", "1")])
        );
        let mut headers = map(&[("te", "gzip")]);
        clean_request(&mut headers);
        assert!(headers.is_empty());
    }

    #[test]
    fn of_a_response_too() {
        let mut headers = map(&[("connection", "close"), ("keep-alive", "x"), ("x-kept", "1")]);
        clean_response(&mut headers);
        assert_eq!(headers, map(&[("x-kept", "1")]));
    }

    #[test]
    fn only_an_upgrade_away_from_http_counts() {
        assert!(asks_for_upgrade(&map(&[("upgrade", "websocket")])));
        assert!(!asks_for_upgrade(&map(&[("upgrade", "H2C")])));
        assert!(!asks_for_upgrade(&map(&[])));
    }
}
