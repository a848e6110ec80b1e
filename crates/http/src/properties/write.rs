//! Values as plugins read them.

use std::collections::HashMap;

use enginebay::HeaderMap;
use enginebay::abi::pairs;
use enginebay::abi::values::Value;

/// Writes bytes as they are.
pub(super) fn put(out: &mut Vec<u8>, value: &[u8]) -> Option<()> {
    out.extend_from_slice(value);
    Some(())
}

/// Writes a value that is no map.
pub(super) fn put_value<'a>(out: &mut Vec<u8>, value: impl Into<Value<'a>>) -> Option<()> {
    put(out, &value.into().encode())
}

/// Writes a number of bytes.
pub(super) fn put_size(out: &mut Vec<u8>, value: u64) -> Option<()> {
    put_value(out, i64::try_from(value).unwrap_or(i64::MAX))
}

/// Writes all headers, or those of one name. Several values of a name are one value, with commas between them.
pub(super) fn headers(map: Option<&HeaderMap>, name: Option<&[u8]>, out: &mut Vec<u8>) -> Option<()> {
    match (map, name) {
        (Some(map), Some(name)) => joined(map, name, out),
        (Some(map), None) => all(map, out),
        (None, Some(_)) => None,
        (None, None) => put(out, &0u32.to_le_bytes()),
    }
}

fn joined(map: &HeaderMap, name: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let same = |known: &[u8]| known.eq_ignore_ascii_case(name);
    let mut values = map
        .iter()
        .filter(|(known, _)| same(known))
        .map(|(_, value)| value);
    // One that the map knows by another name, such as `host`.
    let first = values.next().or_else(|| map.get(name))?;
    out.extend_from_slice(first);
    for value in values {
        out.push(b',');
        out.extend_from_slice(value);
    }
    Some(())
}

fn all(map: &HeaderMap, out: &mut Vec<u8>) -> Option<()> {
    let mut places: HashMap<&[u8], usize> = HashMap::with_capacity(map.len());
    let mut entries: Vec<(&[u8], Vec<u8>)> = Vec::with_capacity(map.len());
    for (name, value) in map.iter() {
        let place = *places.entry(name).or_insert(entries.len());
        match entries.get_mut(place) {
            Some((_, values)) => {
                values.push(b',');
                values.extend_from_slice(value);
            }
            None => entries.push((name, value.to_vec())),
        }
    }
    let entries = entries.iter().map(|(name, value)| (*name, value.as_slice()));
    put(out, &pairs::encode(entries).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_name_are_joined() {
        let mut map = HeaderMap::new();
        for (name, value) in [("a", "1"), ("b", "2"), ("a", "3"), (":authority", "x")] {
            map.add(name, value).unwrap();
        }
        let get = |name: &str| {
            let mut out = Vec::new();
            headers(Some(&map), Some(name.as_bytes()), &mut out).map(|()| out)
        };
        assert_eq!(get("A").as_deref(), Some(&b"1,3"[..]));
        assert_eq!(get("host").as_deref(), Some(&b"x"[..]));
        assert_eq!(get("c"), None);
        let mut out = Vec::new();
        headers(Some(&map), None, &mut out).unwrap();
        let read: Vec<_> = pairs::decode(&out).unwrap().into_iter().collect();
        assert_eq!(
            read,
            [(&b"a"[..], &b"1,3"[..]), (b"b", b"2"), (b":authority", b"x")]
        );
    }
}
