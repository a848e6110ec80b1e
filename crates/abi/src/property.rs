//! The codec for property paths: parts separated by NUL (section "Properties").
//!
//! `request`, `url_path` is `request\0url_path`. The parts are split as Envoy splits them: one NUL
//! at the very end adds nothing, any other empty part counts.

use std::fmt;
use std::iter::FusedIterator;

use crate::enums::Status;

/// A property path without any bytes, for which Envoy's status is
/// [`Status::SerializationFailure`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the property path is empty")]
pub struct EmptyPath;

impl From<EmptyPath> for Status {
    fn from(_: EmptyPath) -> Status {
        Status::SerializationFailure
    }
}

/// A property path of at least one part.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PropertyPath<'a> {
    /// The parts with NULs between them, none at the end.
    joined: &'a [u8],
}

impl<'a> PropertyPath<'a> {
    /// Reads a path as a guest passes it. Nothing is allocated, and any bytes but none are a path.
    ///
    /// # Errors
    /// [`EmptyPath`].
    pub fn parse(path: &'a [u8]) -> Result<Self, EmptyPath> {
        if path.is_empty() {
            return Err(EmptyPath);
        }
        let joined = path.strip_suffix(&[0]).unwrap_or(path);
        Ok(PropertyPath { joined })
    }

    /// The parts, in order. There is always one.
    #[inline]
    pub fn parts(&self) -> Parts<'a> {
        Parts {
            rest: Some(self.joined),
        }
    }

    /// The first part, and the path after it if there are more.
    pub fn split_first(&self) -> (&'a [u8], Option<PropertyPath<'a>>) {
        let mut parts = self.parts();
        let first = parts.next().unwrap_or_default();
        (first, parts.rest.map(|joined| PropertyPath { joined }))
    }

    /// The parts with NULs between them and none at the end: one key for each path.
    pub fn as_bytes(&self) -> &'a [u8] {
        self.joined
    }

    /// The part of a path that has one.
    pub fn as_single(self) -> Option<&'a [u8]> {
        match self.split_first() {
            (part, None) => Some(part),
            (_, Some(_)) => None,
        }
    }

    /// The path without `xds` in front: attributes that Envoy moved below that name are still asked for without it.
    pub fn without_xds(self) -> PropertyPath<'a> {
        match self.split_first() {
            (b"xds", Some(rest)) => rest,
            _ => self,
        }
    }

    /// Whether the path has exactly these parts.
    pub fn is(&self, parts: &[&str]) -> bool {
        self.parts().eq(parts.iter().map(|part| part.as_bytes()))
    }
}

/// Writes the parts with dots, as in `request.url_path`, and bytes that are no text escaped.
impl fmt::Display for PropertyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, part) in self.parts().enumerate() {
            if i > 0 {
                f.write_str(".")?;
            }
            for chunk in part.utf8_chunks() {
                for c in chunk.valid().chars() {
                    if c.is_control() {
                        write!(f, "{}", c.escape_default())?;
                    } else {
                        write!(f, "{c}")?;
                    }
                }
                write!(f, "{}", chunk.invalid().escape_ascii())?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PropertyPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PropertyPath({self})")
    }
}

/// The parts of a [`PropertyPath`].
#[derive(Clone, Debug)]
pub struct Parts<'a> {
    rest: Option<&'a [u8]>,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let rest = self.rest?;
        match rest.iter().position(|&byte| byte == 0) {
            Some(end) => {
                self.rest = rest.get(end + 1..);
                rest.get(..end)
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

impl FusedIterator for Parts<'_> {}

/// Writes a path from its parts.
///
/// No parts give no bytes, which is no path. A part can't hold a NUL: one that does comes out as
/// several parts.
pub fn encode<I, P>(parts: I) -> Vec<u8>
where
    I: IntoIterator<Item = P>,
    P: AsRef<[u8]>,
{
    let mut path = Vec::new();
    let mut last_is_empty = false;
    for (i, part) in parts.into_iter().enumerate() {
        if i > 0 {
            path.push(0);
        }
        let part = part.as_ref();
        path.extend_from_slice(part);
        last_is_empty = part.is_empty();
    }
    if last_is_empty {
        // Else the NUL before the last part would pass for the one that may end a path.
        path.push(0);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parts(path: &[u8]) -> Vec<&[u8]> {
        PropertyPath::parse(path).unwrap().parts().collect()
    }

    #[test]
    fn parts_are_split_as_envoy_splits_them() {
        assert_eq!(parts(b"request\0url_path"), [&b"request"[..], b"url_path"]);
        assert_eq!(parts(b"request\0url_path\0"), [&b"request"[..], b"url_path"]);
        assert_eq!(parts(b"plugin_name"), [b"plugin_name"]);
        assert_eq!(parts(b"a\0\0b"), [&b"a"[..], b"", b"b"]);
        assert_eq!(parts(b"a\0\0"), [&b"a"[..], b""]);
        assert_eq!(parts(b"\0a"), [&b""[..], b"a"]);
        assert_eq!(parts(b"\0"), [b""]);
    }

    #[test]
    fn an_empty_path_is_a_serialization_failure() {
        let error = PropertyPath::parse(b"").unwrap_err();
        assert_eq!(Status::from(error), Status::SerializationFailure);
    }

    #[test]
    fn first_and_rest() {
        let path = PropertyPath::parse(b"a\0b\0c\0").unwrap();
        let (first, rest) = path.split_first();
        assert_eq!(first, b"a");
        let rest = rest.unwrap();
        assert!(rest.is(&["b", "c"]));
        assert!(!rest.is(&["b"]));
        let (_, rest) = rest.split_first();
        assert_eq!(rest.unwrap().split_first(), (&b"c"[..], None));
    }

    #[test]
    fn xds_can_be_left_out() {
        let without = |path: &'static [u8]| PropertyPath::parse(path).unwrap().without_xds();
        assert!(without(b"xds\0node\0id").is(&["node", "id"]));
        assert!(without(b"node\0id").is(&["node", "id"]));
        assert!(without(b"xds").is(&["xds"]));
    }

    #[test]
    fn both_spellings_are_one_key() {
        let with = PropertyPath::parse(b"a\0b\0").unwrap();
        assert_eq!(with, PropertyPath::parse(b"a\0b").unwrap());
        assert_eq!(with.as_bytes(), b"a\0b");
    }

    #[test]
    fn display_is_safe_to_log() {
        let path = PropertyPath::parse(b"request\0he\nad\xffers").unwrap();
        assert_eq!(path.to_string(), r"request.he\nad\xffers");
    }

    #[test]
    fn encode_joins_with_nul() {
        assert_eq!(encode(["request", "url_path"]), b"request\0url_path");
        assert_eq!(encode([""; 0]), b"");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_parsed(
            list in prop::collection::vec(prop::collection::vec(1u8.., 0..8), 1..6)
        ) {
            let path = encode(&list);
            prop_assert!(PropertyPath::parse(&path).unwrap().parts().eq(&list));
        }

        #[test]
        fn any_bytes_are_a_path(bytes in prop::collection::vec(0u8..4, 1..40)) {
            let path = PropertyPath::parse(&bytes).unwrap();
            prop_assert!(path.parts().count() >= 1);
            let again = encode(path.parts());
            prop_assert_eq!(PropertyPath::parse(&again).unwrap(), path);
            let _ = path.to_string();
        }
    }
}
