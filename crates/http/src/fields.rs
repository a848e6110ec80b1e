//! Header maps of `http` as the maps that plugins see, and back.

use std::cell::RefCell;

use enginebay::HeaderMap;
use http::header::{HOST, HeaderName, HeaderValue};

/// Why a plugin's headers can't be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Invalid;

/// Adds a header that came by HTTP, whose parts `http` has checked as the map does. One for which there is no room is left
/// out.
pub(crate) fn add(map: &mut HeaderMap, name: &str, value: &[u8]) {
    let _ = map.add_valid(name, value);
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
    let (name, value) = (new_name(name)?, new_value(value)?);
    headers.try_append(name, value).map_err(|_| Invalid)?;
    Ok(())
}

fn new_name(name: &[u8]) -> Result<HeaderName, Invalid> {
    HeaderName::from_bytes(name).map_err(|_| Invalid)
}

fn new_value(value: &[u8]) -> Result<HeaderValue, Invalid> {
    HeaderValue::from_bytes(value).map_err(|_| Invalid)
}

/// Headers that plugins add: mostly the same few again and again, so that sending one is to count a reference.
#[derive(Default)]
pub(crate) struct Known(RefCell<Vec<(HeaderName, HeaderValue)>>);

impl Known {
    const MAX_HEADERS: usize = 32;
    /// Longer values are hardly the same twice.
    const MAX_VALUE: usize = 128;

    /// Adds a plugin's header to a head.
    pub(crate) fn append(
        &self,
        headers: &mut http::HeaderMap,
        name: &[u8],
        value: &[u8],
    ) -> Result<(), Invalid> {
        let (name, value) = self.header(name, value)?;
        headers.try_append(name, value).map_err(|_| Invalid)?;
        Ok(())
    }

    fn header(&self, name: &[u8], value: &[u8]) -> Result<(HeaderName, HeaderValue), Invalid> {
        let mut headers = self.0.borrow_mut();
        let known = headers
            .iter_mut()
            .find(|(known, _)| known.as_str().as_bytes() == name);
        if let Some((known_name, known_value)) = known {
            if known_value.as_bytes() != value {
                let value = new_value(value)?;
                if value.len() > Self::MAX_VALUE {
                    return Ok((known_name.clone(), value));
                }
                *known_value = value;
            }
            return Ok((known_name.clone(), known_value.clone()));
        }
        let header = (new_name(name)?, new_value(value)?);
        if headers.len() < Self::MAX_HEADERS && value.len() <= Self::MAX_VALUE {
            headers.push(header.clone());
        }
        Ok(header)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(known: &Known, name: &str, value: &[u8]) -> Result<(String, Vec<u8>), Invalid> {
        let mut headers = http::HeaderMap::new();
        known.append(&mut headers, name.as_bytes(), value)?;
        let (name, value) = headers.iter().next().unwrap();
        Ok((name.to_string(), value.as_bytes().to_vec()))
    }

    #[test]
    fn what_is_known_is_what_was_asked_for() {
        let known = Known::default();
        let long = [b'x'; Known::MAX_VALUE + 1];
        for value in [b"one" as &[u8], b"one", b"two", &long, b"two", b""] {
            assert_eq!(sent(&known, "x-a", value), Ok(("x-a".to_owned(), value.to_vec())));
        }
        assert_eq!(known.0.borrow().len(), 1);
        assert_eq!(sent(&known, "x-a", b"a\nb"), Err(Invalid));
        assert_eq!(sent(&known, "a b", b""), Err(Invalid));
        assert_eq!(sent(&known, "x-a", b"").unwrap().1, b"");
    }

    #[test]
    fn only_so_much_is_kept() {
        let known = Known::default();
        for n in 0..2 * Known::MAX_HEADERS {
            let name = format!("x-{n}");
            assert_eq!(sent(&known, &name, b"v"), Ok((name, b"v".to_vec())));
        }
        sent(&known, "x-long", &[b'x'; Known::MAX_VALUE + 1]).unwrap();
        assert_eq!(known.0.borrow().len(), Known::MAX_HEADERS);
    }
}
