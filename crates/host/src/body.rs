//! The body that guests see.

use std::collections::VecDeque;

use bytes::Bytes;

/// A part of a body, or all of it that is buffered, as a list of chunks: nothing is copied until a guest
/// reads or changes it.
///
/// However a guest changes it piece by piece, the memory behind it stays in proportion to its length.
#[derive(Clone, Debug, Default)]
pub struct Body {
    chunks: VecDeque<Chunk>,
    len: usize,
}

#[derive(Clone, Debug)]
struct Chunk {
    bytes: Bytes,
    /// Length of the chunk that this is a piece of, which lives as long as the piece.
    whole: usize,
}

impl Chunk {
    /// Takes out everything from `at` on. Of a chunk that is cut, only a larger half goes on sharing its memory.
    fn split_off(&mut self, at: usize) -> Chunk {
        let bytes = self.bytes.split_off(at);
        let whole = self.whole;
        self.shrink();
        let mut rest = Chunk { bytes, whole };
        rest.shrink();
        rest
    }

    fn shrink(&mut self) {
        if self.bytes.len() < self.whole / 2 {
            self.bytes = Bytes::copy_from_slice(&self.bytes);
            self.whole = self.bytes.len();
        }
    }
}

impl Body {
    /// The number of chunks above which [`Body::replace`] joins them into one.
    const MAX_CHUNKS: usize = 1024;

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
        let whole = chunk.len();
        self.push_chunk(Chunk { bytes: chunk, whole });
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        if !chunk.bytes.is_empty() {
            self.len += chunk.bytes.len();
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
        self.len -= chunk.bytes.len();
        Some(chunk.bytes)
    }

    /// Everything in one piece.
    pub fn to_bytes(&self) -> Bytes {
        match self.chunks.len() {
            0 => Bytes::new(),
            1 => self.chunks[0].bytes.clone(),
            _ => {
                let mut all = Vec::with_capacity(self.len);
                self.chunks
                    .iter()
                    .for_each(|chunk| all.extend_from_slice(&chunk.bytes));
                all.into()
            }
        }
    }

    /// Copies the bytes from `start` on. Says whether there are enough of them to fill `out`.
    pub fn read(&self, start: usize, mut out: &mut [u8]) -> bool {
        let mut skip = start;
        for Chunk { bytes, .. } in &self.chunks {
            if out.is_empty() {
                break;
            }
            if skip >= bytes.len() {
                skip -= bytes.len();
                continue;
            }
            let from = &bytes[skip..];
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
        let (start, end) = self.range(start, len);
        let mut tail = self.split_off(start);
        let tail = tail.split_off(end - start);
        self.push(value);
        for chunk in tail.chunks {
            self.push_chunk(chunk);
        }
        if self.chunks.len() > Self::MAX_CHUNKS {
            *self = Body::from(self.to_bytes());
        }
    }

    /// The length that [`Body::replace`] with a value of this length would leave.
    pub(crate) fn len_after(&self, start: usize, len: usize, value: usize) -> usize {
        let (start, end) = self.range(start, len);
        (self.len - (end - start)).saturating_add(value)
    }

    fn range(&self, start: usize, len: usize) -> (usize, usize) {
        let start = start.min(self.len);
        (start, start.saturating_add(len).min(self.len))
    }

    /// Takes out everything from `at` on, which is at most the length.
    fn split_off(&mut self, at: usize) -> Body {
        let mut tail = Body::new();
        while self.len > at {
            let Some(mut chunk) = self.chunks.pop_back() else {
                break;
            };
            self.len -= chunk.bytes.len();
            let rest = if self.len < at {
                let rest = chunk.split_off(at - self.len);
                self.push_chunk(chunk);
                rest
            } else {
                chunk
            };
            tail.len += rest.bytes.len();
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

    #[test]
    fn many_small_changes_keep_no_more_memory_than_they_need() {
        let mut body = Body::new();
        for _ in 0..3 * Body::MAX_CHUNKS {
            body.replace(usize::MAX, 0, Bytes::from_static(b"x"));
        }
        assert!(body.chunks.len() <= Body::MAX_CHUNKS);
        assert_eq!(body.len(), 3 * Body::MAX_CHUNKS);

        let mut body = Body::new();
        for _ in 0..100 {
            let start = body.len();
            body.replace(start, 0, Bytes::from(vec![b'x'; 1000]));
            body.replace(start + 1, 998, Bytes::new());
            body.replace(start + 1, 1, Bytes::new());
        }
        assert_eq!(body.len(), 100);
        assert!(body.chunks.iter().map(|chunk| chunk.whole).sum::<usize>() <= 2 * body.len());
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
            let len_after = body.len_after(start, len, value.len());
            body.replace(start, len, Bytes::copy_from_slice(value.as_bytes()));
            prop_assert_eq!(body.len(), len_after);
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
