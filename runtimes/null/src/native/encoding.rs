//! Header maps and property paths as bytes.
//!
//! A map is the number of its pairs, the length of each name and value, and then the names and values, each with a zero
//! behind it. Numbers are 32 bits, little-endian.

/// Encodes a map. `None` for one that is too large.
pub(super) fn encode_pairs<N: AsRef<[u8]>, V: AsRef<[u8]>>(pairs: &[(N, V)]) -> Option<Vec<u8>> {
    let number = |n: usize| u32::try_from(n).ok().map(u32::to_le_bytes);
    let mut bytes = Vec::new();
    bytes.extend(number(pairs.len())?);
    for (name, value) in pairs {
        bytes.extend(number(name.as_ref().len())?);
        bytes.extend(number(value.as_ref().len())?);
    }
    for (name, value) in pairs {
        for part in [name.as_ref(), value.as_ref()] {
            bytes.extend_from_slice(part);
            bytes.push(0);
        }
    }
    Some(bytes)
}

/// Decodes a map. `None` for bytes that are none.
pub(super) fn decode_pairs(bytes: &[u8]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    if bytes.is_empty() {
        return Some(Vec::new());
    }
    let (count, rest) = number(bytes)?;
    let (mut lengths, mut data) = rest.split_at_checked(count.checked_mul(8)?)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        let mut part = || {
            let (len, rest) = number(lengths)?;
            lengths = rest;
            let (part, rest) = data.split_at_checked(len)?;
            data = rest.strip_prefix(&[0])?;
            Some(part.to_vec())
        };
        pairs.push((part()?, part()?));
    }
    Some(pairs)
}

fn number(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((usize::try_from(u32::from_le_bytes(*number)).ok()?, rest))
}

/// Encodes the path of a property: its segments with a zero between them.
pub(super) fn encode_path(path: &[&str]) -> Vec<u8> {
    path.join("\0").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_come_back() {
        let pairs = [("a", "1"), ("", "x\0y"), ("b", "")];
        let bytes = encode_pairs(&pairs).unwrap();
        assert_eq!(&bytes[..12], b"\x03\0\0\0\x01\0\0\0\x01\0\0\0");
        let decoded = decode_pairs(&bytes).unwrap();
        let expected: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .collect();
        assert_eq!(decoded, expected);
        assert_eq!(decode_pairs(b""), Some(Vec::new()));
    }

    #[test]
    fn half_a_map_is_none() {
        let bytes = encode_pairs(&[("name", "value")]).unwrap();
        for len in 1..bytes.len() {
            assert_eq!(decode_pairs(&bytes[..len]), None, "{len}");
        }
        assert_eq!(decode_pairs(&[255; 12]), None);
    }
}
