//! Values that plugins put into the filter state.

use enginebay::abi::Status;
use enginebay::host::LifeSpan;

use crate::ChainOptions;
use crate::connection::ConnectionState;

/// Where a value is.
///
/// `proxy_set_property` puts its values below `wasm.`, as on Envoy, so the prefix is a flag and not a part of each key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Key<'a> {
    wasm: bool,
    name: &'a [u8],
}

impl<'a> Key<'a> {
    /// Of a property with this path.
    pub(crate) fn property(path: &'a [u8]) -> Self {
        Key {
            wasm: true,
            name: path,
        }
    }

    /// Of the filter state's own names.
    pub(crate) fn named(name: &'a [u8]) -> Self {
        match name.strip_prefix(b"wasm.") {
            Some(path) => Key::property(path),
            None => Key { wasm: false, name },
        }
    }
}

/// The values, of one stream or of one connection.
#[derive(Default)]
pub(crate) struct FilterState {
    entries: Vec<Entry>,
    size: usize,
}

struct Entry {
    wasm: bool,
    name: Box<[u8]>,
    value: Vec<u8>,
    read_only: bool,
}

impl Entry {
    fn is(&self, key: Key<'_>) -> bool {
        self.wasm == key.wasm && *self.name == *key.name
    }
}

impl FilterState {
    pub(crate) fn get(&self, key: Key<'_>) -> Option<&[u8]> {
        let entry = self.entries.iter().find(|entry| entry.is(key))?;
        Some(&entry.value)
    }

    pub(crate) fn has(&self, key: Key<'_>) -> bool {
        self.get(key).is_some()
    }

    /// Sets a value. What was declared of it counts when it is first set.
    pub(crate) fn set(
        &mut self,
        options: &ChainOptions,
        key: Key<'_>,
        value: &[u8],
        read_only: bool,
    ) -> Status {
        let found = self.entries.iter().position(|entry| entry.is(key));
        let (count, old) = match found {
            Some(at) if self.entries[at].read_only => return Status::BadArgument,
            Some(at) => (self.entries.len(), key.name.len() + self.entries[at].value.len()),
            None => (self.entries.len() + 1, 0),
        };
        let size = self.size - old + key.name.len() + value.len();
        if count > options.properties || size > options.property_bytes {
            return Status::BadArgument;
        }
        self.size = size;
        match found {
            Some(at) => {
                let known = &mut self.entries[at].value;
                known.clear();
                known.extend_from_slice(value);
            }
            None => self.entries.push(Entry {
                wasm: key.wasm,
                name: key.name.into(),
                value: value.to_vec(),
                read_only,
            }),
        }
        Status::Ok
    }
}

/// The filter state of a stream with that of its connection behind it.
pub(crate) struct Scopes<'a> {
    pub(crate) stream: &'a mut Option<Box<FilterState>>,
    pub(crate) connection: Option<&'a ConnectionState>,
}

impl Scopes<'_> {
    /// Writes a value to `out`.
    pub(crate) fn get(&self, key: Key<'_>, out: &mut Vec<u8>) -> Option<()> {
        if let Some(value) = self.stream.as_ref().and_then(|stream| stream.get(key)) {
            out.extend_from_slice(value);
            return Some(());
        }
        let connection = self.connection?.lock();
        out.extend_from_slice(connection.get(key)?);
        Some(())
    }

    /// Sets a value where it is already, or else where its life span says.
    pub(crate) fn set(
        self,
        options: &ChainOptions,
        key: Key<'_>,
        value: &[u8],
        read_only: bool,
        span: LifeSpan,
    ) -> Status {
        let of_stream = self.stream.as_ref().is_some_and(|stream| stream.has(key));
        if let (false, Some(connection)) = (of_stream, self.connection) {
            let mut connection = connection.lock();
            if span == LifeSpan::DownstreamConnection || connection.has(key) {
                return connection.set(options, key, value, read_only);
            }
        }
        let stream = self.stream.get_or_insert_default();
        stream.set(options, key, value, read_only)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(properties: usize, property_bytes: usize) -> ChainOptions {
        ChainOptions {
            properties,
            property_bytes,
            ..ChainOptions::default()
        }
    }

    #[test]
    fn what_plugins_set_is_bounded() {
        let options = options(2, 10);
        let mut state = FilterState::default();
        let mut set = |key, value| state.set(&options, Key::property(key), value, false);
        assert_eq!(set(b"a", b"1"), Status::Ok);
        assert_eq!(set(b"b", b"123456789"), Status::BadArgument);
        assert_eq!(set(b"b", b"1234567"), Status::Ok);
        assert_eq!(set(b"c", b""), Status::BadArgument);
        assert_eq!(set(b"b", b"2"), Status::Ok);
        assert_eq!(state.get(Key::named(b"wasm.b")), Some(&b"2"[..]));
        assert_eq!(state.get(Key::named(b"b")), None);
        assert_eq!(state.size, 4);
    }

    #[test]
    fn a_value_stays_where_and_what_it_was_declared() {
        let options = options(9, 99);
        let connection = ConnectionState::default();
        let mut own = None;
        let mut scopes = |name: &'static [u8], value: &[u8], read_only, span| {
            let scopes = Scopes {
                stream: &mut own,
                connection: Some(&connection),
            };
            scopes.set(&options, Key::property(name), value, read_only, span)
        };
        use LifeSpan::{DownstreamConnection, FilterChain};
        assert_eq!(scopes(b"a", b"1", true, DownstreamConnection), Status::Ok);
        assert_eq!(scopes(b"a", b"2", false, FilterChain), Status::BadArgument);
        assert_eq!(scopes(b"b", b"1", false, DownstreamConnection), Status::Ok);
        assert_eq!(scopes(b"b", b"2", true, FilterChain), Status::Ok);
        assert_eq!(scopes(b"b", b"3", false, FilterChain), Status::Ok);
        assert_eq!(scopes(b"c", b"1", false, FilterChain), Status::Ok);
        assert_eq!(scopes(b"c", b"2", false, DownstreamConnection), Status::Ok);
        let kept = connection.lock();
        assert_eq!(kept.get(Key::property(b"a")), Some(&b"1"[..]));
        assert_eq!(kept.get(Key::property(b"b")), Some(&b"3"[..]));
        assert_eq!(kept.get(Key::property(b"c")), None);
    }
}
