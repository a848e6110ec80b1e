//! Header maps as property values.

use std::collections::HashMap;

use enginebay_abi::pairs;

use crate::HeaderMap;

impl HeaderMap {
    /// Writes all headers as a map ([`enginebay_abi::values`]), or the value of one name, which may be in any case. Several
    /// values of a name are one, with commas between them, as in Envoy's attributes. False for a name that is not there.
    pub fn write_property(&self, name: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
        match name {
            Some(name) => self.write_joined(name, out),
            None => self.write_all(out),
        }
    }

    fn write_joined(&self, name: &[u8], out: &mut Vec<u8>) -> bool {
        let same = |known: &[u8]| known.eq_ignore_ascii_case(name);
        let mut values = self
            .iter()
            .filter(|(known, _)| same(known))
            .map(|(_, value)| value);
        // Or one that has another name here, such as `host`.
        let Some(first) = values.next().or_else(|| self.get(name)) else {
            return false;
        };
        out.extend_from_slice(first);
        for value in values {
            out.push(b',');
            out.extend_from_slice(value);
        }
        true
    }

    fn write_all(&self, out: &mut Vec<u8>) -> bool {
        let mut places: HashMap<&[u8], usize> = HashMap::with_capacity(self.len());
        let mut entries: Vec<(&[u8], Vec<u8>)> = Vec::with_capacity(self.len());
        for (name, value) in self.iter() {
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
        pairs::encode(entries).map(|bytes| out.extend(bytes)).is_ok()
    }
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
            map.write_property(Some(name.as_bytes()), &mut out).then_some(out)
        };
        assert_eq!(get("A").as_deref(), Some(&b"1,3"[..]));
        assert_eq!(get("host").as_deref(), Some(&b"x"[..]));
        assert_eq!(get("c"), None);
        let mut out = Vec::new();
        assert!(map.write_property(None, &mut out));
        let read: Vec<_> = pairs::decode(&out).unwrap().collect();
        let expected = [(&b"a"[..], &b"1,3"[..]), (b"b", b"2"), (b":authority", b"x")];
        assert_eq!(read, expected);
    }
}
