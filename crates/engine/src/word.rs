//! Numbers as the raw words that cross the boundary.

/// A parameter or a result of a host function or an export, as an engine's own typed functions have it, and as the raw
/// 64-bit word that the boundary carries. `()` is the result of a function without one.
pub trait Word {
    /// The word: an `i32` is zero-extended.
    fn into_word(self) -> u64;

    /// The number in a word; what doesn't fit is cut off.
    fn from_word(word: u64) -> Self;
}

impl Word for () {
    #[inline]
    fn into_word(self) -> u64 {
        0
    }

    #[inline]
    fn from_word(_: u64) {}
}

impl Word for u32 {
    #[inline]
    fn into_word(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn from_word(word: u64) -> Self {
        word as u32
    }
}

impl Word for u64 {
    #[inline]
    fn into_word(self) -> u64 {
        self
    }

    #[inline]
    fn from_word(word: u64) -> Self {
        word
    }
}
