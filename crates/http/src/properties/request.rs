//! `request.*`

use std::time::Duration;

use enginebay::abi::PropertyPath;
use http::Version;

use super::write::{headers, put, put_size, put_value};
use crate::fields::Trailers;
use crate::state::State;

pub(super) fn get(state: &mut State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (field, rest) = path.split_first();
    let key = match (field, rest.map(PropertyPath::as_single)) {
        (b"headers" | b"trailers", Some(key)) => Some(key?),
        (_, Some(_)) => return None,
        (_, None) => None,
    };
    match field {
        b"headers" => return headers(Some(state.request_map()), key, out),
        b"trailers" => {
            let trailers = state.trailers[0].as_mut().map(Trailers::map);
            return headers(trailers.as_deref(), key, out);
        }
        b"headers_bytes" => return put_size(out, state.request_map().size() as u64),
        b"total_size" => {
            let headers = state.request_map().size() as u64;
            return put_size(out, state.facts.received[0].saturating_add(headers));
        }
        _ => {}
    }
    let (head, facts) = (&state.request, &state.facts);
    match field {
        b"path" => put(out, head.value(":path")?),
        b"url_path" => put(out, split_query(head.value(":path")?).0),
        b"query" => put(out, split_query(head.value(":path")?).1),
        b"host" => put(out, head.value(":authority")?),
        b"scheme" => put(out, head.value(":scheme")?),
        b"method" => put(out, head.value(":method")?),
        b"referer" => put(out, head.value("referer")?),
        b"useragent" => put(out, head.value("user-agent")?),
        b"id" => put(out, head.value("x-request-id")?),
        b"protocol" => put(
            out,
            match facts.version {
                Version::HTTP_10 => b"HTTP/1.0",
                Version::HTTP_2 => b"HTTP/2",
                Version::HTTP_3 => b"HTTP/3",
                _ => b"HTTP/1.1",
            },
        ),
        b"time" => put_size(out, state.started_realtime()?),
        // A request that is not over has no duration yet, as on Envoy.
        b"duration" if state.over => {
            let taken = state.monotonic_ns()?.saturating_sub(facts.started);
            put_value(out, Duration::from_nanos(taken))
        }
        b"size" => match head.value("content-length") {
            Some(length) => put_value(out, super::number(length)?),
            None => put_size(out, facts.received[0]),
        },
        _ => None,
    }
}

fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    let path = path.split(|byte| *byte == b'#').next().unwrap_or_default();
    match path.iter().position(|byte| *byte == b'?') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, b""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_query_is_apart_from_the_path() {
        assert_eq!(split_query(b"/a?b=1&c#d"), (&b"/a"[..], &b"b=1&c"[..]));
        assert_eq!(split_query(b"/a"), (&b"/a"[..], &b""[..]));
    }
}
