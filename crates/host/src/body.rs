//! The body that guests see.

use std::collections::VecDeque;

use bytes::Bytes;

/// A part of a body, or all of it that is buffered, as a list of chunks: nothing is copied until a guest
/// reads or changes it.
#[derive(Clone, Debug, Default)]
pub struct Body {
    chunks: VecDeque<Bytes>,
    len: usize,
}

impl Body {
    /// An empty body.
    pub fn new() -> Self {
        Body::default()
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds bytes at the end.
    pub fn push(&mut self, chunk: Bytes) {
        if !chunk.is_empty() {
            self.len += chunk.len();
            self.chunks.push_back(chunk);
        }
    }

    /// Takes everything out.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.len = 0;
    }

    /// Takes out the first chunk, which is never empty.
    pub fn pop(&mut self) -> Option<Bytes> {
        let chunk = self.chunks.pop_front()?;
        self.len -= chunk.len();
        Some(chunk)
    }

    /// Everything in one piece.
    pub fn to_bytes(&self) -> Bytes {
        match self.chunks.len() {
            0 => Bytes::new(),
            1 => self.chunks[0].clone(),
            _ => {
                let mut all = Vec::with_capacity(self.len);
                self.chunks.iter().for_each(|chunk| all.extend_from_slice(chunk));
                all.into()
            }
        }
    }

    /// Copies the bytes from `start` on. Says whether there are enough of them to fill `out`.
    pub fn read(&self, start: usize, mut out: &mut [u8]) -> bool {
        let mut skip = start;
        for chunk in &self.chunks {
            if out.is_empty() {
                break;
            }
            if skip >= chunk.len() {
                skip -= chunk.len();
                continue;
            }
            let from = &chunk[skip..];
            let len = from.len().min(out.len());
            let (now, later) = out.split_at_mut(len);
            now.copy_from_slice(&from[..len]);
            out = later;
            skip = 0;
        }
        out.is_empty()
    }

    /// Replaces `len` bytes from `start` on with `value`; both are cut to what is there. A `start` at or beyond
    /// the end appends, zero `start` and `len` prepend (`proxy_set_buffer_bytes`).
    pub fn replace(&mut self, start: usize, len: usize, value: Bytes) {
        let start = start.min(self.len);
        let end = start.saturating_add(len).min(self.len);
        let mut tail = self.split_off(start);
        let tail = tail.split_off(end - start);
        self.push(value);
        for chunk in tail.chunks {
            self.push(chunk);
        }
    }

    /// Takes out everything from `at` on, which is at most the length.
    fn split_off(&mut self, at: usize) -> Body {
        let mut tail = Body::new();
        while self.len > at {
            let Some(mut chunk) = self.chunks.pop_back() else {
                break;
            };
            self.len -= chunk.len();
            let rest = if self.len < at {
                let rest = chunk.split_off(at - self.len);
                self.push(chunk);
                rest
            } else {
                chunk
            };
            tail.len += rest.len();
            tail.chunks.push_front(rest);
        }
        tail
    }
}

impl From<Bytes> for Body {
    fn from(chunk: Bytes) -> Self {
        let mut body = Body::new();
        body.push(chunk);
        body
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_body_in_one_piece_is_not_copied() {
        let bytes = Bytes::from_static(b"abc");
        let body = Body::from(bytes.clone());
        assert_eq!(body.to_bytes().as_ptr(), bytes.as_ptr());
    }

    proptest! {
        #[test]
        fn behaves_as_a_vector_of_bytes(
            chunks in proptest::collection::vec("[a-z]{0,5}", 0..6),
            start in 0..40usize,
            len in prop_oneof![0..40usize, Just(usize::MAX)],
            value in "[A-Z]{0,5}",
        ) {
            let mut body = Body::new();
            let mut model = Vec::new();
            for chunk in &chunks {
                body.push(Bytes::copy_from_slice(chunk.as_bytes()));
                model.extend_from_slice(chunk.as_bytes());
            }
            body.replace(start, len, Bytes::copy_from_slice(value.as_bytes()));
            let from = start.min(model.len());
            let to = from.saturating_add(len).min(model.len());
            model.splice(from..to, value.bytes());
            prop_assert_eq!(body.len(), model.len());
            prop_assert_eq!(&body.to_bytes()[..], &model[..]);

            let from = start.min(model.len());
            let mut out = vec![0; (model.len() - from) / 2];
            prop_assert!(body.read(from, &mut out));
            prop_assert_eq!(&out[..], &model[from..from + out.len()]);
            let mut beyond = vec![0; model.len() - from + 1];
            prop_assert!(!body.read(from, &mut beyond));
        }
    }
}
