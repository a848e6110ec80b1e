//! gRPC messages in a body: a flag for compression, the length in four bytes, the message.

use bytes::{Buf, BufMut, Bytes, BytesMut};

const HEADER: usize = 5;

/// A message with its header; `None` for one that is too long for it.
pub(super) fn frame(message: &[u8]) -> Option<Bytes> {
    let len = u32::try_from(message.len()).ok()?;
    let mut framed = BytesMut::with_capacity(HEADER + message.len());
    framed.put_u8(0);
    framed.put_u32(len);
    framed.put_slice(message);
    Some(framed.freeze())
}

/// Why a body is no sequence of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadMessage {
    #[error("a message is compressed, which was not asked for")]
    Compressed,
    #[error("a message is larger than allowed")]
    TooLarge,
}

/// Takes messages out of a body as it comes.
pub(super) struct Decoder {
    buffer: BytesMut,
    /// The largest message.
    limit: usize,
}

impl Decoder {
    pub(super) fn new(limit: usize) -> Self {
        Decoder {
            buffer: BytesMut::new(),
            limit,
        }
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.buffer.extend_from_slice(data);
    }

    /// The next message, if all of it is there.
    pub(super) fn next(&mut self) -> Result<Option<Bytes>, BadMessage> {
        let Some(header) = self.buffer.first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let [compressed, len @ ..] = *header;
        if compressed != 0 {
            return Err(BadMessage::Compressed);
        }
        let len = usize::try_from(u32::from_be_bytes(len)).unwrap_or(usize::MAX);
        if len > self.limit {
            return Err(BadMessage::TooLarge);
        }
        if self.buffer.len() - HEADER < len {
            return Ok(None);
        }
        self.buffer.advance(HEADER);
        Ok(Some(self.buffer.split_to(len).freeze()))
    }

    /// Whether a message has begun that is not all there.
    pub(super) fn has_rest(&self) -> bool {
        !self.buffer.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_out_however_they_are_cut() {
        let mut whole = Vec::new();
        for message in [&b"one"[..], b"", b"three"] {
            whole.extend_from_slice(&frame(message).unwrap());
        }
        for size in 1..=whole.len() {
            let mut decoder = Decoder::new(5);
            let mut out = Vec::new();
            for part in whole.chunks(size) {
                decoder.push(part);
                while let Some(message) = decoder.next().unwrap() {
                    out.push(message);
                }
            }
            assert_eq!(out, ["one", "", "three"]);
            assert!(!decoder.has_rest());
        }
    }

    #[test]
    fn what_is_no_message_is_an_error() {
        let mut decoder = Decoder::new(5);
        decoder.push(&[1, 0, 0, 0, 0]);
        assert_eq!(decoder.next(), Err(BadMessage::Compressed));
        let mut decoder = Decoder::new(5);
        decoder.push(&[0, 0, 0, 0, 6]);
        assert_eq!(decoder.next(), Err(BadMessage::TooLarge));
        let mut decoder = Decoder::new(5);
        decoder.push(&[0, 0, 0, 0, 5, 1]);
        assert_eq!(decoder.next(), Ok(None));
        assert!(decoder.has_rest());
    }
}
