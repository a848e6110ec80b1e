//! The properties of the stream: those of Envoy's attributes that a request without a network has.

use std::collections::HashMap;

use enginebay::HeaderMap;
use enginebay::abi::values::{Value, encode_map};
use enginebay::abi::{PropertyPath, Status};

use super::stream::Half;

/// What the plugin has set.
#[derive(Default)]
pub(super) struct Properties {
    set: HashMap<Vec<u8>, Vec<u8>>,
    size: usize,
}

impl Properties {
    /// The most that a plugin may store, names and values together, in bytes.
    const MAX_SIZE: usize = 1 << 20;

    /// Writes a property to `out`, or says that there is none.
    pub(super) fn get(
        &self,
        path: PropertyPath<'_>,
        request: &Half,
        response: &Half,
        out: &mut Vec<u8>,
    ) -> bool {
        let parts: Vec<&[u8]> = path.parts().collect();
        let found = match parts.as_slice() {
            [b"request", rest @ ..] => request_property(rest, request, out),
            [b"response", rest @ ..] => response_property(rest, response, out),
            _ => None,
        };
        if found.is_some() {
            return true;
        }
        match self.set.get(path.as_bytes()) {
            Some(value) => {
                out.extend_from_slice(value);
                true
            }
            None => false,
        }
    }

    /// Stores a property.
    pub(super) fn set(&mut self, path: PropertyPath<'_>, value: &[u8]) -> Status {
        let key = path.as_bytes();
        let old = self.set.get(key).map_or(0, |old| key.len() + old.len());
        let size = self.size - old + key.len() + value.len();
        if size > Self::MAX_SIZE {
            return Status::BadArgument;
        }
        self.size = size;
        self.set.insert(key.to_vec(), value.to_vec());
        Status::Ok
    }
}

fn request_property(path: &[&[u8]], request: &Half, out: &mut Vec<u8>) -> Option<()> {
    let headers = &request.headers;
    match path {
        [b"headers", rest @ ..] => map(rest, headers, out),
        [b"path"] => put(headers.get(":path")?, out),
        [b"url_path"] => put(split_query(headers)?.0, out),
        [b"query"] => put(split_query(headers)?.1, out),
        [b"host"] => put(headers.get(":authority")?, out),
        [b"scheme"] => put(headers.get(":scheme")?, out),
        [b"method"] => put(headers.get(":method")?, out),
        [b"referer"] => put(headers.get("referer")?, out),
        [b"useragent"] => put(headers.get("user-agent")?, out),
        [b"id"] => put(headers.get("x-request-id")?, out),
        [b"protocol"] => put(b"HTTP/1.1", out),
        [b"size"] => value(Value::Int(request.body.len() as i64), out),
        _ => None,
    }
}

fn response_property(path: &[&[u8]], response: &Half, out: &mut Vec<u8>) -> Option<()> {
    match path {
        [b"headers", rest @ ..] => map(rest, &response.headers, out),
        [b"trailers", rest @ ..] => map(rest, &response.trailers, out),
        [b"code"] => {
            let status = std::str::from_utf8(response.headers.get(":status")?).ok()?;
            value(Value::Int(status.parse().ok()?), out)
        }
        [b"size"] => value(Value::Int(response.body.len() as i64), out),
        _ => None,
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

/// One header of a map, or the whole map.
fn map(path: &[&[u8]], headers: &HeaderMap, out: &mut Vec<u8>) -> Option<()> {
    match path {
        [] => put(&encode_map(headers.iter()).ok()?, out),
        [name] => put(headers.get(name)?, out),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(properties: &Properties, request: &Half, path: &str) -> Option<String> {
        let mut out = Vec::new();
        let path = path.replace('.', "\0");
        let path = PropertyPath::parse(path.as_bytes()).unwrap();
        properties
            .get(path, request, &Half::default(), &mut out)
            .then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_request_has_its_attributes() {
        let mut request = Half::default();
        request.headers.add(":path", "/a?b=c").unwrap();
        request.headers.add("x-user", "u").unwrap();
        let properties = Properties::default();
        let get = |path| get(&properties, &request, path);
        assert_eq!(get("request.path").as_deref(), Some("/a?b=c"));
        assert_eq!(get("request.url_path").as_deref(), Some("/a"));
        assert_eq!(get("request.query").as_deref(), Some("b=c"));
        assert_eq!(get("request.headers.x-user").as_deref(), Some("u"));
        assert_eq!(get("request.headers.no"), None);
        assert_eq!(get("response.code"), None);
        assert_eq!(get("nothing"), None);
    }

    #[test]
    fn what_is_set_is_found_and_bounded() {
        let mut properties = Properties::default();
        let path = PropertyPath::parse(b"my\0key").unwrap();
        assert_eq!(properties.set(path, b"v"), Status::Ok);
        assert_eq!(get(&properties, &Half::default(), "my.key").as_deref(), Some("v"));
        let large = vec![0; Properties::MAX_SIZE];
        assert_eq!(properties.set(path, &large), Status::BadArgument);
        let fits = vec![b'x'; Properties::MAX_SIZE - 6];
        for _ in 0..3 {
            assert_eq!(properties.set(path, &fits), Status::Ok);
        }
    }
}
