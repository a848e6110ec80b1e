//! Code whose hash was checked, and nothing else.

use std::fmt;
use std::ops::Deref;

use bytes::Bytes;
use sha2::{Digest as _, Sha256};

use crate::Reason;

/// A SHA-256 digest. Shown as 64 lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest([u8; 32]);

impl Digest {
    /// That of these bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(Sha256::digest(bytes).into())
    }

    /// From 64 hexadecimal digits. `None` for anything else.
    pub fn parse(text: &str) -> Option<Digest> {
        let digit = |byte: u8| char::from(byte).to_digit(16);
        let text = text.as_bytes();
        let mut digest = [0; 32];
        if text.len() != 64 {
            return None;
        }
        for (byte, pair) in digest.iter_mut().zip(text.chunks_exact(2)) {
            *byte = u8::try_from(digit(pair[0])? << 4 | digit(pair[1])?).ok()?;
        }
        Some(Digest(digest))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A plugin's code. There is no way to make one but by comparing the hash of its bytes with the configured one.
#[derive(Clone, PartialEq, Eq)]
pub struct Code {
    bytes: Bytes,
    sha256: Digest,
}

impl Code {
    /// The code, if these bytes are it.
    pub(crate) fn check(bytes: Vec<u8>, sha256: Digest) -> Result<Code, Reason> {
        let actual = Digest::of(&bytes);
        Hashed {
            bytes: bytes.into(),
            sha256: actual,
        }
        .verify(sha256)
    }

    /// Its hash.
    pub fn sha256(&self) -> Digest {
        self.sha256
    }

    /// The bytes, which are shared, not copied.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl Deref for Code {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Code({}, {} bytes)", self.sha256, self.bytes.len())
    }
}

/// Bytes with their hash, which nobody has compared yet.
pub(crate) struct Hashed {
    bytes: Bytes,
    sha256: Digest,
}

impl Hashed {
    /// Compares.
    pub(crate) fn verify(self, expected: Digest) -> Result<Code, Reason> {
        if self.sha256 != expected {
            return Err(Reason::WrongHash {
                expected,
                actual: self.sha256,
            });
        }
        Ok(Code {
            bytes: self.bytes,
            sha256: expected,
        })
    }

    pub(crate) fn sha256(&self) -> Digest {
        self.sha256
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// The bytes as they came, for what is not code.
    pub(crate) fn unverified(self) -> Bytes {
        self.bytes
    }
}

/// Hashes bytes as they come, and keeps them up to a limit.
pub(crate) struct Collector {
    bytes: Vec<u8>,
    hash: Sha256,
    limit: usize,
}

impl Collector {
    /// `expected` is the size that was announced.
    pub(crate) fn new(expected: Option<u64>, limit: usize) -> Result<Collector, Reason> {
        let expected = expected.unwrap_or(0);
        match usize::try_from(expected) {
            Ok(expected) if expected <= limit => Ok(Collector {
                bytes: Vec::with_capacity(expected),
                hash: Sha256::new(),
                limit,
            }),
            _ => Err(Reason::TooLarge(limit)),
        }
    }

    pub(crate) fn push(&mut self, chunk: &[u8]) -> Result<(), Reason> {
        if chunk.len() > self.limit - self.bytes.len() {
            return Err(Reason::TooLarge(self.limit));
        }
        self.hash.update(chunk);
        self.bytes.extend_from_slice(chunk);
        Ok(())
    }

    pub(crate) fn finish(mut self) -> Hashed {
        self.bytes.shrink_to_fit();
        Hashed {
            bytes: self.bytes.into(),
            sha256: Digest(self.hash.finalize().into()),
        }
    }
}
