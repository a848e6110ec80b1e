//! The codec for header maps (section "Serialization").
//!
//! ```text
//! u32 count
//! count × { u32 name length, u32 value length }
//! count × { name, NUL, value, NUL }
//! ```
//!
//! All integers are little-endian. The lengths don't count the NULs.
//!
//! A host that gives an *empty* map to a guest writes no bytes at all (address 0, size 0), as
//! Envoy does; [`encode`] of nothing is the four bytes of a zero count, which guests read too.

use std::iter::FusedIterator;

/// The most pairs that [`decode`] takes, as in Envoy.
pub const DEFAULT_MAX_PAIRS: usize = 1024;

/// The most bytes that [`decode`] takes, as in Envoy: 1 MiB.
pub const DEFAULT_MAX_BYTES: usize = 1024 * 1024;

const WORD: usize = size_of::<u32>();

/// How much [`decode_with`] takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairsLimits {
    /// The most pairs.
    pub max_pairs: usize,
    /// The most bytes of the whole encoding.
    pub max_bytes: usize,
}

impl Default for PairsLimits {
    fn default() -> Self {
        PairsLimits {
            max_pairs: DEFAULT_MAX_PAIRS,
            max_bytes: DEFAULT_MAX_BYTES,
        }
    }
}

/// Why bytes are no header map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PairsError {
    /// More bytes than allowed.
    #[error("{len} bytes of pairs, of which at most {max} are allowed")]
    TooManyBytes {
        /// How many bytes there are.
        len: usize,
        /// How many are allowed.
        max: usize,
    },
    /// More pairs than allowed.
    #[error("{count} pairs, of which at most {max} are allowed")]
    TooManyPairs {
        /// How many pairs are announced.
        count: u32,
        /// How many are allowed.
        max: usize,
    },
    /// The bytes end before the pairs do.
    #[error("the pairs end early")]
    Truncated,
    /// A name or a value doesn't end in NUL.
    #[error("pair {index} lacks a NUL after its name or value")]
    MissingTerminator {
        /// The number of the pair, from 0.
        index: usize,
    },
    /// There are bytes after the last pair.
    #[error("{count} bytes follow the pairs")]
    TrailingBytes {
        /// How many.
        count: usize,
    },
}

/// Why a header map can't be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The buffer is too small for the pairs.
    #[error("the buffer of {len} bytes is too small for the pairs")]
    BufferTooSmall {
        /// The length of the buffer.
        len: usize,
    },
    /// A length or the number of pairs needs more than 32 bits.
    #[error("a length of {len} doesn't fit 32 bits")]
    TooLarge {
        /// The length.
        len: usize,
    },
}

/// The length of the encoding of these pairs, in bytes.
///
/// It is `usize::MAX` if it would be larger still.
pub fn encoded_len<I, N, V>(pairs: I) -> usize
where
    I: IntoIterator<Item = (N, V)>,
    N: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    pairs.into_iter().fold(WORD, |len, (name, value)| {
        len.saturating_add(2 * WORD + 2)
            .saturating_add(name.as_ref().len())
            .saturating_add(value.as_ref().len())
    })
}

/// Writes the pairs to the start of a buffer and returns how many bytes that took.
///
/// The iterator runs twice, first for the lengths and then for the bytes. Nothing is allocated.
///
/// # Errors
/// [`EncodeError`]. The buffer may then hold a part of the encoding.
pub fn encode_into<I, N, V>(pairs: I, buffer: &mut [u8]) -> Result<usize, EncodeError>
where
    I: IntoIterator<Item = (N, V)> + Clone,
    N: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let mut out = Writer { buffer, len: 0 };
    out.skip(WORD)?;
    let mut count = 0;
    for (name, value) in pairs.clone() {
        out.put_len(name.as_ref().len())?;
        out.put_len(value.as_ref().len())?;
        count += 1;
    }
    for (name, value) in pairs {
        out.put(name.as_ref())?;
        out.put(&[0])?;
        out.put(value.as_ref())?;
        out.put(&[0])?;
    }
    let len = out.len;
    Writer { buffer, len: 0 }.put_len(count)?;
    Ok(len)
}

/// The encoding of these pairs.
///
/// # Errors
/// [`EncodeError::TooLarge`] when it would be 4 GiB or more, which no guest can hold.
pub fn encode<I, N, V>(pairs: I) -> Result<Vec<u8>, EncodeError>
where
    I: IntoIterator<Item = (N, V)> + Clone,
    N: AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    let len = encoded_len(pairs.clone());
    if u32::try_from(len).is_err() {
        return Err(EncodeError::TooLarge { len });
    }
    let mut buffer = vec![0; len];
    let len = encode_into(pairs, &mut buffer)?;
    buffer.truncate(len);
    Ok(buffer)
}

/// Fills a buffer from its start.
struct Writer<'b> {
    buffer: &'b mut [u8],
    len: usize,
}

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        let start = self.len;
        self.skip(bytes.len())?;
        self.buffer[start..self.len].copy_from_slice(bytes);
        Ok(())
    }

    fn put_len(&mut self, len: usize) -> Result<(), EncodeError> {
        let len = u32::try_from(len).map_err(|_| EncodeError::TooLarge { len })?;
        self.put(&len.to_le_bytes())
    }

    fn skip(&mut self, count: usize) -> Result<(), EncodeError> {
        if count > self.buffer.len() - self.len {
            return Err(EncodeError::BufferTooSmall {
                len: self.buffer.len(),
            });
        }
        self.len += count;
        Ok(())
    }
}

/// Reads a header map within the limits of Envoy: [`DEFAULT_MAX_PAIRS`], [`DEFAULT_MAX_BYTES`].
///
/// # Errors
/// As [`decode_with`].
pub fn decode(bytes: &[u8]) -> Result<Pairs<'_>, PairsError> {
    decode_with(bytes, PairsLimits::default())
}

/// Reads a header map.
///
/// No bytes, or a single zero byte, are an empty map. Everything is checked here, so reading the
/// pairs can't fail. Nothing is allocated.
///
/// # Errors
/// [`PairsError`], exactly where Envoy's host takes the bytes for no pairs at all.
pub fn decode_with(bytes: &[u8], limits: PairsLimits) -> Result<Pairs<'_>, PairsError> {
    if bytes.len() > limits.max_bytes {
        return Err(PairsError::TooManyBytes {
            len: bytes.len(),
            max: limits.max_bytes,
        });
    }
    if matches!(bytes, [] | [0]) {
        return Ok(Pairs::default());
    }
    let (count, rest) = bytes.split_first_chunk::<WORD>().ok_or(PairsError::Truncated)?;
    let count = u32::from_le_bytes(*count);
    let too_many = PairsError::TooManyPairs {
        count,
        max: limits.max_pairs,
    };
    let pairs = usize::try_from(count).map_err(|_| too_many)?;
    if pairs > limits.max_pairs {
        return Err(too_many);
    }
    let (lengths, data) = pairs
        .checked_mul(2 * WORD)
        .and_then(|table| rest.split_at_checked(table))
        .ok_or(PairsError::Truncated)?;

    let mut unread = Pairs { lengths, data };
    for index in 0..pairs {
        let (name, value) = unread.next_lengths().ok_or(PairsError::Truncated)?;
        for len in [name, value] {
            let (_, after) = unread.data.split_at_checked(len).ok_or(PairsError::Truncated)?;
            let (&end, after) = after.split_first().ok_or(PairsError::Truncated)?;
            if end != 0 {
                return Err(PairsError::MissingTerminator { index });
            }
            unread.data = after;
        }
    }
    if !unread.data.is_empty() {
        return Err(PairsError::TrailingBytes {
            count: unread.data.len(),
        });
    }
    Ok(Pairs { lengths, data })
}

/// The pairs of a header map that [`decode`] found well-formed, in their order.
///
/// It is an iterator over names and values, and cheap to copy by `clone`.
#[derive(Clone, Debug, Default)]
pub struct Pairs<'a> {
    lengths: &'a [u8],
    data: &'a [u8],
}

impl<'a> Pairs<'a> {
    /// How many pairs are left.
    pub fn len(&self) -> usize {
        self.lengths.len() / (2 * WORD)
    }

    /// Whether no pairs are left.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    fn next_lengths(&mut self) -> Option<(usize, usize)> {
        let (name, rest) = self.lengths.split_first_chunk::<WORD>()?;
        let (value, rest) = rest.split_first_chunk::<WORD>()?;
        self.lengths = rest;
        Some((
            usize::try_from(u32::from_le_bytes(*name)).ok()?,
            usize::try_from(u32::from_le_bytes(*value)).ok()?,
        ))
    }

    fn next_field(&mut self, len: usize) -> Option<&'a [u8]> {
        let (field, rest) = self.data.split_at_checked(len)?;
        self.data = rest.get(1..)?;
        Some(field)
    }
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.next_lengths()?;
        Some((self.next_field(name)?, self.next_field(value)?))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl ExactSizeIterator for Pairs<'_> {}
impl FusedIterator for Pairs<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The map of the specification's example, with the digits it means.
    const EXAMPLE: &[u8] = &[
        2, 0, 0, 0, //
        1, 0, 0, 0, 1, 0, 0, 0, //
        1, 0, 0, 0, 2, 0, 0, 0, //
        b'a', 0, b'1', 0, b'b', 0, b'2', b'2', 0,
    ];

    #[test]
    fn example_of_the_specification() {
        let pairs = [("a", "1"), ("b", "22")];
        assert_eq!(encode(pairs).unwrap(), EXAMPLE);
        assert_eq!(encoded_len(pairs), EXAMPLE.len());
        let decoded: Vec<_> = decode(EXAMPLE).unwrap().collect();
        assert_eq!(decoded, [(&b"a"[..], &b"1"[..]), (&b"b"[..], &b"22"[..])]);
    }

    #[test]
    fn empty_map_has_three_forms() {
        for bytes in [&[][..], &[0], &[0, 0, 0, 0]] {
            assert!(decode(bytes).unwrap().is_empty());
        }
        assert_eq!(encode([("", ""); 0]).unwrap(), [0, 0, 0, 0]);
    }

    #[test]
    fn empty_names_and_values_are_kept() {
        let bytes = encode([("", ""), ("k", "")]).unwrap();
        let decoded: Vec<_> = decode(&bytes).unwrap().collect();
        assert_eq!(decoded, [(&b""[..], &b""[..]), (&b"k"[..], &b""[..])]);
    }

    #[test]
    fn every_shorter_prefix_is_refused() {
        for len in 1..EXAMPLE.len() {
            assert_eq!(
                decode(&EXAMPLE[..len]).unwrap_err(),
                PairsError::Truncated,
                "{len}"
            );
        }
    }

    #[test]
    fn bytes_after_the_last_pair_are_refused() {
        let mut bytes = EXAMPLE.to_vec();
        bytes.extend([0, 0]);
        assert_eq!(
            decode(&bytes).unwrap_err(),
            PairsError::TrailingBytes { count: 2 }
        );
        assert_eq!(
            decode(&[0, 0, 0, 0, 7]).unwrap_err(),
            PairsError::TrailingBytes { count: 1 }
        );
    }

    #[test]
    fn terminators_must_be_nul() {
        for (at, index) in [(21, 0), (23, 0), (25, 1), (28, 1)] {
            let mut bytes = EXAMPLE.to_vec();
            assert_eq!(bytes[at], 0);
            bytes[at] = b'x';
            assert_eq!(
                decode(&bytes).unwrap_err(),
                PairsError::MissingTerminator { index }
            );
        }
    }

    #[test]
    fn announced_sizes_are_not_believed() {
        let mut bytes = EXAMPLE.to_vec();
        bytes[..4].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(
            decode(&bytes).unwrap_err(),
            PairsError::TooManyPairs {
                count: u32::MAX,
                max: DEFAULT_MAX_PAIRS
            }
        );
        let unlimited = PairsLimits {
            max_pairs: usize::MAX,
            max_bytes: usize::MAX,
        };
        assert_eq!(decode_with(&bytes, unlimited).unwrap_err(), PairsError::Truncated);
        let mut bytes = EXAMPLE.to_vec();
        bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(decode(&bytes).unwrap_err(), PairsError::Truncated);
    }

    #[test]
    fn limits_are_inclusive() {
        let full = encode(vec![("", ""); DEFAULT_MAX_PAIRS]).unwrap();
        assert_eq!(decode(&full).unwrap().len(), DEFAULT_MAX_PAIRS);
        let over = encode(vec![("", ""); DEFAULT_MAX_PAIRS + 1]).unwrap();
        assert!(matches!(
            decode(&over),
            Err(PairsError::TooManyPairs { count: 1025, .. })
        ));

        let overhead = encoded_len([("", "")]);
        let value = vec![b'v'; DEFAULT_MAX_BYTES - overhead];
        let full = encode([(&b""[..], &value[..])]).unwrap();
        assert_eq!(full.len(), DEFAULT_MAX_BYTES);
        assert_eq!(decode(&full).unwrap().len(), 1);
        let value = vec![b'v'; DEFAULT_MAX_BYTES - overhead + 1];
        let over = encode([(&b""[..], &value[..])]).unwrap();
        assert!(matches!(decode(&over), Err(PairsError::TooManyBytes { .. })));
    }

    #[test]
    fn a_buffer_that_is_too_small_is_an_error() {
        let pairs = [("name", "value")];
        let len = encoded_len(pairs);
        for short in 0..len {
            assert_eq!(
                encode_into(pairs, &mut vec![0; short]),
                Err(EncodeError::BufferTooSmall { len: short })
            );
        }
        let mut longer = vec![0xff; len + 3];
        assert_eq!(encode_into(pairs, &mut longer), Ok(len));
        assert_eq!(longer[len..], [0xff; 3]);
    }

    #[test]
    fn an_encoding_too_large_for_a_guest_is_an_error() {
        let value = vec![0; 1 << 20];
        let pairs = std::iter::repeat_n(("", &value), 1 << 12);
        assert!(matches!(encode(pairs), Err(EncodeError::TooLarge { .. })));
    }

    #[test]
    fn length_is_exact_at_every_step() {
        let bytes = encode([("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
        let mut pairs = decode(&bytes).unwrap();
        for left in (0..3).rev() {
            assert!(pairs.next().is_some());
            assert_eq!(pairs.len(), left);
        }
        assert_eq!(pairs.next(), None);
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            pairs in prop::collection::vec(
                (prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 0..40)),
                0..30,
            )
        ) {
            let view = pairs.iter().map(|(name, value)| (&name[..], &value[..]));
            let bytes = encode(view.clone()).unwrap();
            prop_assert_eq!(bytes.len(), encoded_len(view.clone()));
            let decoded = decode(&bytes).unwrap();
            prop_assert_eq!(decoded.len(), pairs.len());
            prop_assert!(decoded.eq(view));
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(pairs) = decode(&bytes) {
                prop_assert_eq!(pairs.len(), pairs.count());
            }
        }

        /// Small numbers where counts and lengths stand, so that many inputs get past the header.
        #[test]
        fn nearly_well_formed_bytes_never_panic(
            words in prop::collection::vec(0u32..6, 1..12),
            tail in prop::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..24),
        ) {
            let mut bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            bytes.extend(tail);
            if let Ok(pairs) = decode(&bytes) {
                prop_assert_eq!(pairs.len(), pairs.clone().count());
                // Only one encoding of a map is accepted, so it comes out again.
                prop_assert_eq!(encode(pairs).unwrap(), bytes);
            }
        }
    }
}
