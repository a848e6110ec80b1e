//! Header maps of `http` as the maps that plugins see, and back.

use enginebay::HeaderMap;
use http::header::{HOST, HeaderName, HeaderValue};

/// Why a plugin's headers can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Adds a header that came by HTTP. One that no plugin may see because the map is full or HTTP is laxer than
/// the map is left out.
pub(crate) fn add(map: &mut HeaderMap, name: &str, value: &[u8]) {
    let _ = map.add(name, value);
}

/// Adds all headers but those that `skip` names.
pub(crate) fn add_all(map: &mut HeaderMap, headers: &http::HeaderMap, skip: Option<&HeaderName>) {
    for (name, value) in headers {
        if Some(name) != skip {
            add(map, name.as_str(), value.as_bytes());
        }
    }
}

/// Number of entries under `host`, which plugins see as `:authority`.
pub(crate) fn hosts(headers: &http::HeaderMap) -> usize {
    match headers.get(HOST) {
        None => 0,
        Some(_) => headers.get_all(HOST).iter().count(),
    }
}

/// Adds a plugin's header to a head.
pub(crate) fn append(headers: &mut http::HeaderMap, name: &[u8], value: &[u8]) -> Result<(), Invalid> {
    let name = HeaderName::from_bytes(name).map_err(|_| Invalid)?;
    let value = HeaderValue::from_bytes(value).map_err(|_| Invalid)?;
    headers.try_append(name, value).map_err(|_| Invalid)?;
    Ok(())
}

/// Trailers, which become a plugin's map when one looks at them.
#[derive(Default)]
pub(crate) struct Trailers {
    raw: http::HeaderMap,
    map: Option<HeaderMap>,
}

impl Trailers {
    pub(crate) fn new(raw: http::HeaderMap) -> Self {
        Trailers { raw, map: None }
    }

    pub(crate) fn len(&self) -> usize {
        self.map.as_ref().map_or(self.raw.len(), HeaderMap::len)
    }

    pub(crate) fn map(&mut self) -> &mut HeaderMap {
        let raw = &self.raw;
        self.map.get_or_insert_with(|| {
            let mut map = HeaderMap::new();
            add_all(&mut map, raw, None);
            map.set_unmodified();
            map
        })
    }

    /// What to send, which stays readable for plugins. What can't be sent is left out: by now nothing else can
    /// be done about it.
    pub(crate) fn to_http(&self) -> http::HeaderMap {
        match self.map.as_ref().filter(|map| map.is_modified()) {
            None => self.raw.clone(),
            Some(map) => {
                let mut raw = http::HeaderMap::with_capacity(map.len());
                for (name, value) in map.iter().filter(|(name, _)| !name.starts_with(b":")) {
                    let _ = append(&mut raw, name, value);
                }
                raw
            }
        }
    }
}
