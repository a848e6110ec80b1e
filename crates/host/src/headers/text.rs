//! The text of a header map.

use std::ops::Deref;

/// `name\0value\0` of one header after the other. What was written once is written over without being cleared first.
#[derive(Clone, Default)]
pub(super) struct Text {
    bytes: Vec<u8>,
    /// How much of it is in use.
    len: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Text {
            bytes: Vec::new(),
            len: 0,
        }
    }

    pub(super) fn with_capacity(len: usize) -> Self {
        Text {
            bytes: vec![0; len],
            len: 0,
        }
    }

    /// Writes a header, and says where it begins.
    // Always: a name and a value of known length are written without a call of `memcpy`.
    #[inline(always)]
    pub(super) fn push(&mut self, name: &[u8], value: &[u8]) -> u32 {
        let start = self.len;
        let end = start + name.len() + value.len() + 2;
        if end > self.bytes.len() {
            self.grow(end);
        }
        let (to_name, rest) = self.bytes[start..end].split_at_mut(name.len());
        let (zero, rest) = rest.split_at_mut(1);
        let (to_value, last) = rest.split_at_mut(value.len());
        to_name.copy_from_slice(name);
        zero[0] = 0;
        to_value.copy_from_slice(value);
        last[0] = 0;
        self.len = end;
        start as u32
    }

    /// Likewise, with the name in lower case.
    pub(super) fn push_lowercase(&mut self, name: &[u8], value: &[u8]) -> u32 {
        let start = self.push(name, value);
        self.bytes[start as usize..][..name.len()].make_ascii_lowercase();
        start
    }

    #[cold]
    fn grow(&mut self, end: usize) {
        self.bytes.resize(end.max(2 * self.bytes.len()), 0);
    }

    /// Takes everything out and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Bytes of memory, in use or not.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.bytes.capacity()
    }
}

impl Deref for Text {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

#[cfg(test)]
mod tests {
    use super::Text;

    #[test]
    fn headers_stand_one_after_the_other() {
        let mut text = Text::new();
        assert_eq!(text.push(b"a", b"1"), 0);
        assert_eq!(text.push(b"", b""), 4);
        assert_eq!(text.push_lowercase(b"X-Name", b"Value"), 6);
        assert_eq!(&*text, b"a\x001\0\0\0x-name\0Value\0");
    }

    #[test]
    fn nothing_is_seen_of_what_was_there_before() {
        let mut text = Text::with_capacity(4);
        text.push(b"a-long-name", b"a long value");
        let before = text.capacity();
        text.clear();
        assert!(text.is_empty());
        assert_eq!(text.push(b"b", b"2"), 0);
        assert_eq!(&*text, b"b\x002\0");
        assert_eq!(text.capacity(), before);
    }

    #[test]
    fn it_grows() {
        let mut text = Text::new();
        for _ in 0..1000 {
            text.push(b"name", b"value");
        }
        assert_eq!(text.len(), 11_000);
        assert!(text.chunks(11).all(|header| header == b"name\0value\0"));
    }
}
