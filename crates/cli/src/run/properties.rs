//! The properties of the stream: what the flags give, what follows from the messages, and what the plugin sets.

use std::collections::HashMap;

use enginebay::abi::values::Value;
use enginebay::abi::{PropertyPath, Status};
use enginebay::host::LifeSpan;
use enginebay::{HeaderMap, Platform, PropertyDeclaration, StdPlatform};

use super::given_properties::GivenProperties;
use super::stream::Half;

/// All properties of the stream.
#[derive(Default)]
pub(super) struct Properties {
    given: GivenProperties,
    /// What the plugin has set, in the filter state or (`true`) as a property.
    set: HashMap<(bool, Vec<u8>), Set>,
    size: usize,
}

#[derive(Default)]
struct Set {
    value: Vec<u8>,
    read_only: bool,
}

impl Properties {
    /// The most that a plugin may store, names and values together, in bytes.
    const MAX_SIZE: usize = 1 << 20;

    pub(super) fn new(given: GivenProperties) -> Self {
        Properties {
            given,
            ..Properties::default()
        }
    }

    /// Writes a property to `out`, or says that there is none.
    pub(super) fn get(
        &self,
        path: PropertyPath<'_>,
        request: &Half,
        response: &Half,
        out: &mut Vec<u8>,
    ) -> bool {
        if self.given.get(path, out) {
            return true;
        }
        let (object, rest) = path.split_first();
        let found = match (object, rest) {
            (b"request", Some(rest)) => request_property(rest, request, out),
            (b"response", Some(rest)) => response_property(rest, response, out),
            (b"filter_state", Some(rest)) => self.set_value(key(rest.as_bytes()), out),
            _ => default(path, out),
        };
        found
            .or_else(|| self.set_value((true, path.as_bytes().to_vec()), out))
            .is_some()
    }

    fn set_value(&self, key: (bool, Vec<u8>), out: &mut Vec<u8>) -> Option<()> {
        put(&self.set.get(&key)?.value, out)
    }

    /// Stores a property.
    pub(super) fn set(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declared: &PropertyDeclaration,
    ) -> Status {
        self.store((true, path.as_bytes().to_vec()), value, declared.read_only)
    }

    /// Stores a value in the filter state. There is one stream, so all life spans are its.
    pub(super) fn set_filter_state(&mut self, name: &[u8], value: &[u8], _: LifeSpan) -> Status {
        self.store(key(name), value, false)
    }

    fn store(&mut self, key: (bool, Vec<u8>), value: &[u8], read_only: bool) -> Status {
        let known = self.set.get(&key);
        if known.is_some_and(|known| known.read_only) {
            return Status::BadArgument;
        }
        let old = known.map_or(0, |known| key.1.len() + known.value.len());
        let size = self.size - old + key.1.len() + value.len();
        if size > Self::MAX_SIZE {
            return Status::BadArgument;
        }
        self.size = size;
        let known = self.set.entry(key).or_insert_with(|| Set {
            read_only,
            ..Set::default()
        });
        known.value = value.to_vec();
        Status::Ok
    }
}

/// Where a name of the filter state is stored: properties have `wasm.` in front there.
fn key(name: &[u8]) -> (bool, Vec<u8>) {
    match name.strip_prefix(b"wasm.") {
        Some(path) => (true, path.to_vec()),
        None => (false, name.to_vec()),
    }
}

fn request_property(path: PropertyPath<'_>, request: &Half, out: &mut Vec<u8>) -> Option<()> {
    let headers = &request.headers;
    let (field, rest) = path.split_first();
    match (field, rest) {
        (b"headers", rest) => map(rest, headers, out),
        (b"trailers", rest) => map(rest, &request.trailers, out),
        (b"path", None) => put(headers.get(":path")?, out),
        (b"url_path", None) => put(split_query(headers)?.0, out),
        (b"query", None) => put(split_query(headers)?.1, out),
        (b"host", None) => put(headers.get(":authority")?, out),
        (b"scheme", None) => put(headers.get(":scheme")?, out),
        (b"method", None) => put(headers.get(":method")?, out),
        (b"referer", None) => put(headers.get("referer")?, out),
        (b"useragent", None) => put(headers.get("user-agent")?, out),
        (b"id", None) => put(headers.get("x-request-id")?, out),
        (b"protocol", None) => put(b"HTTP/1.1", out),
        (b"time", None) => size(StdPlatform.realtime_ns(), out),
        (b"headers_bytes", None) => size(headers.size() as u64, out),
        (b"size", None) => size(request.body.len() as u64, out),
        (b"total_size", None) => size((request.body.len() + headers.size()) as u64, out),
        _ => None,
    }
}

fn response_property(path: PropertyPath<'_>, response: &Half, out: &mut Vec<u8>) -> Option<()> {
    let (headers, trailers) = (&response.headers, &response.trailers);
    let number = |value: &[u8]| std::str::from_utf8(value).ok()?.parse().ok();
    let (field, rest) = path.split_first();
    match (field, rest) {
        (b"headers", rest) => map(rest, headers, out),
        (b"trailers", rest) => map(rest, trailers, out),
        (b"code", None) => value(Value::Int(number(headers.get(":status")?)?), out),
        (b"flags", None) => value(Value::Int(0), out),
        (b"grpc_status", None) => {
            let status = trailers.get("grpc-status").or(headers.get("grpc-status"))?;
            value(Value::Int(number(status)?), out)
        }
        (b"headers_bytes", None) => size(headers.size() as u64, out),
        (b"size", None) => size(response.body.len() as u64, out),
        (b"total_size", None) => {
            let all = response.body.len() + headers.size() + trailers.size();
            size(all as u64, out)
        }
        _ => None,
    }
}

/// What Envoy has on every stream.
fn default(path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    match () {
        () if path.is(&["connection", "mtls"]) => value(Value::Bool(false), out),
        () if path.is(&["connection", "requested_server_name"]) => Some(()),
        () if path.is(&["upstream", "request_attempt_count"]) => value(Value::Uint(0), out),
        () if path.is(&["metadata"]) => Some(()),
        () if path.is(&["metadata", "filter_metadata"]) => put(&[0; 4], out),
        () => None,
    }
}

fn split_query(headers: &HeaderMap) -> Option<(&[u8], &[u8])> {
    let path = headers.get(":path")?;
    Some(match path.iter().position(|byte| *byte == b'?') {
        Some(at) => (&path[..at], &path[at + 1..]),
        None => (path, b""),
    })
}

fn put(bytes: &[u8], out: &mut Vec<u8>) -> Option<()> {
    out.extend_from_slice(bytes);
    Some(())
}

fn value(value: Value<'_>, out: &mut Vec<u8>) -> Option<()> {
    put(&value.encode(), out)
}

fn size(size: u64, out: &mut Vec<u8>) -> Option<()> {
    value(Value::Int(i64::try_from(size).unwrap_or(i64::MAX)), out)
}

/// One header of a map, or the whole map.
fn map(path: Option<PropertyPath<'_>>, headers: &HeaderMap, out: &mut Vec<u8>) -> Option<()> {
    let name = match path {
        None => None,
        Some(path) => Some(path.as_single()?),
    };
    headers.write_property(name, out).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::given_properties::property;

    fn get(properties: &Properties, request: &Half, path: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        let path = path.replace('.', "\0");
        let path = PropertyPath::parse(path.as_bytes()).unwrap();
        properties
            .get(path, request, &Half::default(), &mut out)
            .then_some(out)
    }

    fn text(text: &str) -> Option<Vec<u8>> {
        Some(text.as_bytes().to_vec())
    }

    #[test]
    fn the_request_has_its_attributes() {
        let mut request = Half::default();
        request.headers.add(":path", "/a?b=c").unwrap();
        request.headers.add("x-user", "u").unwrap();
        let properties = Properties::default();
        let get = |path| get(&properties, &request, path);
        assert_eq!(get("request.path"), text("/a?b=c"));
        assert_eq!(get("request.url_path"), text("/a"));
        assert_eq!(get("request.query"), text("b=c"));
        assert_eq!(get("request.headers.x-user"), text("u"));
        assert_eq!(get("request.headers_bytes"), Some(18i64.to_le_bytes().to_vec()));
        assert_eq!(get("connection.mtls"), Some(vec![0]));
        assert_eq!(get("request.headers.no"), None);
        assert_eq!(get("response.code"), None);
        assert_eq!(get("nothing"), None);
    }

    #[test]
    fn what_is_given_has_the_type_of_its_attribute_and_comes_first() {
        let given = [
            "request.path=/given",
            "xds.route_name=r",
            "upstream.port=80",
            "connection.id=7",
            "connection.mtls=true",
            "request.duration=15ms",
            "request.headers.x-a=1",
            "/node/metadata/a.b=c=d",
            "mine=",
        ];
        let given: Vec<_> = given.iter().map(|text| property(text).unwrap()).collect();
        let properties = Properties::new(GivenProperties::new(&given).unwrap());
        let get = |path| get(&properties, &Half::default(), path);
        assert_eq!(get("request.path"), text("/given"));
        assert_eq!(get("route_name"), text("r"));
        assert_eq!(get("xds.route_name"), text("r"));
        assert_eq!(get("upstream.port"), Some(80i64.to_le_bytes().to_vec()));
        assert_eq!(get("connection.id"), Some(7u64.to_le_bytes().to_vec()));
        assert_eq!(get("connection.mtls"), Some(vec![1]));
        assert_eq!(
            get("request.duration"),
            Some(15_000_000i64.to_le_bytes().to_vec())
        );
        assert_eq!(get("request.headers.x-a"), text("1"));
        assert_eq!(get("mine"), text(""));
        let path = PropertyPath::parse(b"node\0metadata\0a.b").unwrap();
        let mut out = Vec::new();
        assert!(properties.get(path, &Half::default(), &Half::default(), &mut out));
        assert_eq!(out, b"c=d");
    }

    #[test]
    fn what_is_set_is_found_and_bounded() {
        let mut properties = Properties::default();
        let path = PropertyPath::parse(b"my\0key").unwrap();
        let plain = PropertyDeclaration::default();
        assert_eq!(properties.set(path, b"v", &plain), Status::Ok);
        assert_eq!(get(&properties, &Half::default(), "my.key"), text("v"));
        let large = vec![0; Properties::MAX_SIZE];
        assert_eq!(properties.set(path, &large, &plain), Status::BadArgument);
        let fits = vec![b'x'; Properties::MAX_SIZE - 6];
        for _ in 0..3 {
            assert_eq!(properties.set(path, &fits, &plain), Status::Ok);
        }
    }

    #[test]
    fn the_filter_state_has_what_was_set_and_keeps_what_is_for_good() {
        let mut properties = Properties::default();
        let path = PropertyPath::parse(b"key").unwrap();
        let for_good = PropertyDeclaration {
            read_only: true,
            ..PropertyDeclaration::default()
        };
        assert_eq!(properties.set(path, b"v", &for_good), Status::Ok);
        assert_eq!(properties.set(path, b"w", &for_good), Status::BadArgument);
        let span = LifeSpan::default();
        assert_eq!(properties.set_filter_state(b"other", b"o", span), Status::Ok);
        let get = |path: &[u8]| {
            let mut out = Vec::new();
            let path = PropertyPath::parse(path).unwrap();
            let half = Half::default();
            properties.get(path, &half, &half, &mut out).then_some(out)
        };
        assert_eq!(get(b"key"), text("v"));
        assert_eq!(get(b"filter_state\0wasm.key"), text("v"));
        assert_eq!(get(b"filter_state\0other"), text("o"));
        assert_eq!(get(b"filter_state\0key"), None);
        assert_eq!(get(b"other"), None);
    }
}
