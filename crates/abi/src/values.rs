//! How property values are written for a guest.
//!
//! The specification leaves this to the host; this is Envoy's form, which plugins expect.
//!
//! | type | bytes |
//! | --- | --- |
//! | string, bytes | as they are, no terminator |
//! | int, uint, double | 8, little-endian |
//! | bool | 1: 0 or 1 |
//! | duration | as int: nanoseconds |
//! | timestamp | as int: nanoseconds since 1970 |
//! | map | [pairs] of written keys and written values |
//! | list | [pairs] of written elements and empty values |

use std::ops::Deref;
use std::time::{Duration, SystemTime};

use crate::pairs::{self, EncodeError};

/// A property value that is no map and no list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text or bytes.
    Bytes(&'a [u8]),
    /// A truth value.
    Bool(bool),
    /// A signed integer, a duration or a timestamp (both in nanoseconds).
    Int(i64),
    /// An unsigned integer.
    Uint(u64),
    /// A floating-point number.
    Double(f64),
}

impl<'a> Value<'a> {
    /// The bytes that a guest gets. Nothing is allocated.
    #[inline]
    pub fn encode(self) -> Encoded<'a> {
        match self {
            Value::Bytes(bytes) => Encoded(Repr::Borrowed(bytes)),
            Value::Bool(value) => Encoded(Repr::Byte([u8::from(value)])),
            Value::Int(value) => Encoded(Repr::Word(value.to_le_bytes())),
            Value::Uint(value) => Encoded(Repr::Word(value.to_le_bytes())),
            Value::Double(value) => Encoded(Repr::Word(value.to_le_bytes())),
        }
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Value::Bytes(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Bytes(value.as_bytes())
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<u64> for Value<'_> {
    fn from(value: u64) -> Self {
        Value::Uint(value)
    }
}

impl From<f64> for Value<'_> {
    fn from(value: f64) -> Self {
        Value::Double(value)
    }
}

/// In nanoseconds. What is longer than `i64` holds becomes the longest it does.
impl From<Duration> for Value<'_> {
    fn from(value: Duration) -> Self {
        Value::Int(nanos(value))
    }
}

/// In nanoseconds since 1970. What `i64` doesn't hold becomes the nearest it does.
impl From<SystemTime> for Value<'_> {
    fn from(value: SystemTime) -> Self {
        Value::Int(match value.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => nanos(after),
            Err(before) => -nanos(before.duration()),
        })
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// The bytes of a [`Value`].
#[derive(Clone, Copy, Debug)]
pub struct Encoded<'a>(Repr<'a>);

#[derive(Clone, Copy, Debug)]
enum Repr<'a> {
    Borrowed(&'a [u8]),
    Byte([u8; 1]),
    Word([u8; 8]),
}

impl Deref for Encoded<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match &self.0 {
            Repr::Borrowed(bytes) => bytes,
            Repr::Byte(bytes) => bytes,
            Repr::Word(bytes) => bytes,
        }
    }
}

impl AsRef<[u8]> for Encoded<'_> {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

/// The bytes of a map. An empty map is four zero bytes, as Envoy writes it here.
///
/// # Errors
/// As [`pairs::encode`].
pub fn encode_map<'a, I, K, V>(entries: I) -> Result<Vec<u8>, EncodeError>
where
    I: IntoIterator<Item = (K, V)>,
    I::IntoIter: Clone,
    K: Into<Value<'a>>,
    V: Into<Value<'a>>,
{
    let entries = entries.into_iter();
    pairs::encode(entries.map(|(key, value)| (key.into().encode(), value.into().encode())))
}

/// The bytes of a list.
///
/// # Errors
/// As [`pairs::encode`].
pub fn encode_list<'a, I, V>(elements: I) -> Result<Vec<u8>, EncodeError>
where
    I: IntoIterator<Item = V>,
    I::IntoIter: Clone,
    V: Into<Value<'a>>,
{
    let elements = elements.into_iter();
    pairs::encode(elements.map(|element| (element.into().encode(), [0u8; 0])))
}

/// Reads an integer, a duration or a timestamp, if there are exactly 8 bytes.
pub fn decode_int(bytes: &[u8]) -> Option<i64> {
    bytes.try_into().ok().map(i64::from_le_bytes)
}

/// Reads an unsigned integer, if there are exactly 8 bytes.
pub fn decode_uint(bytes: &[u8]) -> Option<u64> {
    bytes.try_into().ok().map(u64::from_le_bytes)
}

/// Reads a floating-point number, if there are exactly 8 bytes.
pub fn decode_double(bytes: &[u8]) -> Option<f64> {
    bytes.try_into().ok().map(f64::from_le_bytes)
}

/// Reads a truth value, if there is exactly one byte and it is 0 or 1.
pub fn decode_bool(bytes: &[u8]) -> Option<bool> {
    match bytes {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars() {
        assert_eq!(*Value::from("GET").encode(), *b"GET");
        assert_eq!(*Value::from(true).encode(), [1]);
        assert_eq!(*Value::from(false).encode(), [0]);
        assert_eq!(*Value::from(-2i64).encode(), (-2i64).to_le_bytes());
        assert_eq!(*Value::from(0x0102_0304u64).encode(), [4, 3, 2, 1, 0, 0, 0, 0]);
        assert_eq!(*Value::from(1.0f64).encode(), [0, 0, 0, 0, 0, 0, 0xf0, 0x3f]);
    }

    #[test]
    fn times_are_nanoseconds() {
        assert_eq!(
            decode_int(&Value::from(Duration::from_micros(3)).encode()),
            Some(3000)
        );
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1);
        assert_eq!(decode_int(&Value::from(time).encode()), Some(1_000_000_000));
        let time = SystemTime::UNIX_EPOCH - Duration::from_nanos(5);
        assert_eq!(decode_int(&Value::from(time).encode()), Some(-5));
        assert_eq!(Value::from(Duration::MAX), Value::Int(i64::MAX));
    }

    #[test]
    fn maps_are_pairs_of_written_values() {
        let bytes = encode_map([("a", 1i64), ("b", 2)]).unwrap();
        let decoded: Vec<_> = pairs::decode(&bytes)
            .unwrap()
            .map(|(key, value)| (key, decode_int(value)))
            .collect();
        assert_eq!(decoded, [(&b"a"[..], Some(1)), (&b"b"[..], Some(2))]);
    }

    #[test]
    fn lists_are_pairs_without_values() {
        let bytes = encode_list(["x", "yy"]).unwrap();
        assert!(
            pairs::decode(&bytes)
                .unwrap()
                .eq([(&b"x"[..], &b""[..]), (b"yy", b"")])
        );
    }

    #[test]
    fn wrong_sizes_are_refused() {
        assert_eq!(decode_uint(&[1; 4]), None);
        assert_eq!(decode_double(&[]), None);
        assert_eq!(decode_bool(&[2]), None);
        assert_eq!(decode_bool(&[1, 0]), None);
        assert_eq!(decode_uint(&u64::MAX.to_le_bytes()), Some(u64::MAX));
        assert_eq!(decode_double(&0.5f64.to_le_bytes()), Some(0.5));
    }
}
