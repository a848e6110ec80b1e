//! Properties of a stream (Envoy's attributes) that the chain knows by itself.

use std::time::Duration;

use enginebay::abi::values::Value;
use enginebay::abi::{PropertyPath, Status};
use enginebay::{HeaderMap, Platform};
use http::Version;

use crate::fields::Trailers;
use crate::state::State;
use crate::{ChainOptions, ConnectionInfo};

/// What is known of a stream besides its heads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Facts {
    pub(crate) connection: ConnectionInfo,
    pub(crate) version: Version,
    /// When the request came, in nanoseconds since 1970, and on the monotonic clock.
    pub(crate) started_realtime: u64,
    pub(crate) started_monotonic: u64,
    /// Bytes of body that came, by direction.
    pub(crate) received: [u64; 2],
}

/// Properties that plugins set.
#[derive(Default)]
pub(crate) struct Custom {
    values: Vec<(Vec<u8>, Vec<u8>)>,
    size: usize,
}

impl Custom {
    pub(crate) fn set(&mut self, options: &ChainOptions, path: PropertyPath<'_>, value: &[u8]) -> Status {
        let path = path.as_bytes();
        let found = self.values.iter().position(|(known, _)| known == path);
        let (count, old) = match found {
            Some(at) => (self.values.len(), path.len() + self.values[at].1.len()),
            None => (self.values.len() + 1, 0),
        };
        let size = self.size - old + path.len() + value.len();
        if count > options.properties || size > options.property_bytes {
            return Status::BadArgument;
        }
        self.size = size;
        match found {
            Some(at) => self.values[at].1 = value.to_vec(),
            None => self.values.push((path.to_vec(), value.to_vec())),
        }
        Status::Ok
    }

    pub(crate) fn get(&self, path: &[u8]) -> Option<&[u8]> {
        self.values
            .iter()
            .find(|(known, _)| known == path)
            .map(|(_, value)| value.as_slice())
    }
}

/// Writes a property. What plugins set comes after what the chain knows, as on Envoy.
pub(crate) fn get(
    state: &mut State,
    platform: &dyn Platform,
    path: PropertyPath<'_>,
    out: &mut Vec<u8>,
) -> bool {
    if known(state, platform, path, out).is_some() {
        return true;
    }
    let custom = state
        .custom
        .as_ref()
        .and_then(|custom| custom.get(path.as_bytes()));
    custom.map(|value| out.extend_from_slice(value)).is_some()
}

fn known(
    state: &mut State,
    platform: &dyn Platform,
    path: PropertyPath<'_>,
    out: &mut Vec<u8>,
) -> Option<()> {
    let mut parts = path.parts();
    let (object, field, key) = (parts.next()?, parts.next()?, parts.next());
    if parts.next().is_some() {
        return None;
    }
    let field = std::str::from_utf8(field).ok()?;
    match (object, key) {
        (b"request", Some(key)) => {
            let value = match field {
                "headers" => state.request_map().get(key),
                "trailers" => trailer(&mut state.trailers[0], key),
                _ => None,
            };
            put(out, value?)
        }
        (b"response", Some(key)) => {
            let value = match field {
                "headers" => state.response_map()?.get(key),
                "trailers" => trailer(&mut state.trailers[1], key),
                _ => None,
            };
            put(out, value?)
        }
        (b"request", None) => request(state, platform, field, out),
        (b"response", None) => response(state, field, out),
        (b"source", None) => address(state.facts.connection.peer, field, out),
        (b"destination", None) => address(state.facts.connection.local, field, out),
        (b"connection", None) => match field {
            "id" => put_value(out, state.facts.connection.id?),
            _ => None,
        },
        _ => None,
    }
}

fn request(state: &State, platform: &dyn Platform, field: &str, out: &mut Vec<u8>) -> Option<()> {
    let head = &state.request;
    let facts = &state.facts;
    match field {
        "path" => put(out, head.value(":path")?),
        "url_path" => put(out, split_query(head.value(":path")?).0),
        "query" => put(out, split_query(head.value(":path")?).1),
        "host" => put(out, head.value(":authority")?),
        "scheme" => put(out, head.value(":scheme")?),
        "method" => put(out, head.value(":method")?),
        "referer" => put(out, head.value("referer")?),
        "useragent" => put(out, head.value("user-agent")?),
        "id" => put(out, head.value("x-request-id")?),
        "protocol" => put(
            out,
            match facts.version {
                Version::HTTP_10 => b"HTTP/1.0",
                Version::HTTP_2 => b"HTTP/2",
                Version::HTTP_3 => b"HTTP/3",
                _ => b"HTTP/1.1",
            },
        ),
        "time" => put_value(out, i64::try_from(facts.started_realtime).unwrap_or(i64::MAX)),
        "duration" => {
            let now = platform.monotonic_ns();
            put_value(
                out,
                Duration::from_nanos(now.saturating_sub(facts.started_monotonic)),
            )
        }
        // Of the body, as it came; the total is with the headers that plugins see.
        "size" => put_value(out, int(facts.received[0])),
        "total_size" => {
            let headers = state.request.map_size();
            put_value(out, int(facts.received[0].saturating_add(headers as u64)))
        }
        _ => None,
    }
}

fn response(state: &mut State, field: &str, out: &mut Vec<u8>) -> Option<()> {
    let received = state.facts.received[1];
    match field {
        "code" => put_value(out, i64::from(state.response.as_ref()?.status().as_u16())),
        "size" => {
            state.response.as_ref()?;
            put_value(out, int(received))
        }
        "grpc_status" => {
            let in_trailers = trailer(&mut state.trailers[1], b"grpc-status").and_then(number);
            let status = in_trailers.or_else(|| number(state.response.as_ref()?.value("grpc-status")?));
            put_value(out, status?)
        }
        _ => None,
    }
}

pub(crate) fn address(address: Option<std::net::SocketAddr>, field: &str, out: &mut Vec<u8>) -> Option<()> {
    let address = address?;
    match field {
        "address" => put(out, address.to_string().as_bytes()),
        "port" => put_value(out, i64::from(address.port())),
        _ => None,
    }
}

fn trailer<'a>(trailers: &'a mut Option<Trailers>, name: &[u8]) -> Option<&'a [u8]> {
    trailers.as_mut()?.map().get(name)
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn split_query(path: &[u8]) -> (&[u8], &[u8]) {
    let path = path.split(|byte| *byte == b'#').next().unwrap_or_default();
    match path.iter().position(|byte| *byte == b'?') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, b""),
    }
}

fn int(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn put(out: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    out.extend_from_slice(value);
    Some(())
}

pub(crate) fn put_value<'a>(out: &mut Vec<u8>, value: impl Into<Value<'a>>) -> Option<()> {
    put(out, &value.into().encode())
}

/// Length of a head as it is, for a map that was made or not.
pub(crate) fn size_of(map: Option<&HeaderMap>, headers: Option<&http::HeaderMap>) -> usize {
    match (map, headers) {
        (Some(map), _) => map.size(),
        (None, Some(headers)) => headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len())
            .sum(),
        (None, None) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_plugins_set_is_bounded() {
        let options = ChainOptions {
            properties: 2,
            property_bytes: 10,
            ..ChainOptions::default()
        };
        let path = |bytes| PropertyPath::parse(bytes).unwrap();
        let mut custom = Custom::default();
        assert_eq!(custom.set(&options, path(b"a"), b"1"), Status::Ok);
        assert_eq!(
            custom.set(&options, path(b"b"), b"123456789"),
            Status::BadArgument
        );
        assert_eq!(custom.set(&options, path(b"b"), b"1234567"), Status::Ok);
        assert_eq!(custom.set(&options, path(b"c"), b""), Status::BadArgument);
        assert_eq!(custom.set(&options, path(b"b"), b"2"), Status::Ok);
        assert_eq!(custom.get(b"b"), Some(&b"2"[..]));
        assert_eq!(custom.size, 4);
    }

    #[test]
    fn the_query_is_apart_from_the_path() {
        assert_eq!(split_query(b"/a?b=1&c#d"), (&b"/a"[..], &b"b=1&c"[..]));
        assert_eq!(split_query(b"/a"), (&b"/a"[..], &b""[..]));
    }
}
