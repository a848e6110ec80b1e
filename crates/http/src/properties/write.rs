//! Values as plugins read them.

use enginebay::HeaderMap;
use enginebay::abi::values::Value;

/// Writes bytes as they are.
pub(super) fn put(out: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    out.extend_from_slice(value);
    Some(())
}

/// Writes a value that is no map.
pub(crate) fn put_value<'a>(out: &mut Vec<u8>, value: impl Into<Value<'a>>) -> Option<()> {
    put(out, &value.into().encode())
}

/// Writes a number of bytes.
pub(crate) fn put_size(out: &mut Vec<u8>, value: u64) -> Option<()> {
    put_value(out, i64::try_from(value).unwrap_or(i64::MAX))
}

/// Writes all headers, or the value of one name; see [`HeaderMap::write_property`].
pub(super) fn headers(map: Option<&HeaderMap>, name: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
    match (map, name) {
        (Some(map), name) => map.write_property(name, out).then_some(()),
        (None, Some(_)) => None,
        (None, None) => put(out, &0u32.to_le_bytes()),
    }
}
