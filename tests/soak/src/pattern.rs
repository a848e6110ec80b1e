//! Bytes that say where in a body they are.

use std::sync::LazyLock;

use bytes::Bytes;

/// Longest piece.
pub(crate) const PIECE: usize = 16 << 10;
const PERIOD: usize = 26;

static PATTERN: LazyLock<Bytes> = LazyLock::new(|| (0..PIECE + PERIOD).map(byte_at).collect());

fn byte_at(place: usize) -> u8 {
    b'a' + (place % PERIOD) as u8
}

/// `len` bytes, at most [`PIECE`], of a body from `place` on.
pub(crate) fn piece(place: usize, len: usize) -> Bytes {
    let start = place % PERIOD;
    PATTERN.slice(start..start + len.min(PIECE))
}

/// What a response's body is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Anything,
    /// So many bytes of the pattern.
    Pattern(usize),
    /// The pattern in upper case.
    Upper,
    /// So many bytes of the pattern, behind `rewritten: `.
    Rewritten {
        len: usize,
        upper: bool,
    },
}

const PREFIX: &[u8] = b"rewritten: ";

impl Expected {
    /// Whether bytes that came at this place are right.
    pub(crate) fn fits(self, place: usize, bytes: &[u8]) -> bool {
        let fits = |prefix: &[u8], upper: bool| {
            bytes.iter().zip(place..).all(|(byte, place)| {
                let expected = match place.checked_sub(prefix.len()) {
                    None => prefix[place],
                    Some(place) if upper => byte_at(place).to_ascii_uppercase(),
                    Some(place) => byte_at(place),
                };
                *byte == expected
            })
        };
        match self {
            Expected::Anything => true,
            Expected::Pattern(_) => fits(b"", false),
            Expected::Upper => fits(b"", true),
            Expected::Rewritten { upper, .. } => fits(PREFIX, upper),
        }
    }

    /// Whether so many bytes are all of it.
    pub(crate) fn is_whole(self, len: usize) -> bool {
        match self {
            Expected::Anything | Expected::Upper => true,
            Expected::Pattern(expected) => len == expected,
            Expected::Rewritten { len: expected, .. } => len == expected + PREFIX.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_fit_where_they_belong() {
        assert_eq!(piece(25, 3), "zab");
        assert_eq!(piece(7, 1 << 20).len(), PIECE);
        assert!(Expected::Pattern(3).fits(25, b"zab"));
        assert!(!Expected::Pattern(3).fits(24, b"zab"));
        let rewritten = |upper| Expected::Rewritten { len: 2, upper };
        assert!(rewritten(true).fits(0, b"rewritten: AB"));
        assert!(rewritten(true).fits(11, b"AB"));
        assert!(!rewritten(true).fits(0, b"rewritten: ab"));
        assert!(rewritten(false).fits(0, b"rewritten: ab"));
        assert!(rewritten(true).is_whole(13) && !Expected::Pattern(2).is_whole(1));
    }
}
