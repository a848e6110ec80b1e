//! Native values as the raw words of the boundary.

use enginebay_engine::ValType;

/// A value that crosses between host and plugin.
pub(crate) trait Word: Sized {
    /// What a result of this type is called as, so that garbage around a `bool` does no harm.
    type Raw: Word;
    /// The type in a WebAssembly signature.
    const TYPE: ValType;
    fn from_word(word: u64) -> Self;
    fn into_word(self) -> u64;
}

impl Word for u32 {
    type Raw = u32;
    const TYPE: ValType = ValType::I32;
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "an i32 is the low half of its word"
    )]
    fn from_word(word: u64) -> Self {
        word as u32
    }
    #[inline]
    fn into_word(self) -> u64 {
        u64::from(self)
    }
}

impl Word for i32 {
    type Raw = i32;
    const TYPE: ValType = ValType::I32;
    #[inline]
    fn from_word(word: u64) -> Self {
        u32::from_word(word).cast_signed()
    }
    #[inline]
    fn into_word(self) -> u64 {
        u64::from(self.cast_unsigned())
    }
}

impl Word for u64 {
    type Raw = u64;
    const TYPE: ValType = ValType::I64;
    #[inline]
    fn from_word(word: u64) -> Self {
        word
    }
    #[inline]
    fn into_word(self) -> u64 {
        self
    }
}

impl Word for i64 {
    type Raw = i64;
    const TYPE: ValType = ValType::I64;
    #[inline]
    fn from_word(word: u64) -> Self {
        word.cast_signed()
    }
    #[inline]
    fn into_word(self) -> u64 {
        self.cast_unsigned()
    }
}

impl Word for usize {
    type Raw = usize;
    const TYPE: ValType = ValType::I32;
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "native plugins are 64-bit: the engine refuses to start elsewhere"
    )]
    fn from_word(word: u64) -> Self {
        word as usize
    }
    #[inline]
    fn into_word(self) -> u64 {
        self as u64
    }
}

/// The byte a C `bool` is returned in.
impl Word for u8 {
    type Raw = u8;
    const TYPE: ValType = ValType::I32;
    #[inline]
    fn from_word(word: u64) -> Self {
        u8::from(word != 0)
    }
    #[inline]
    fn into_word(self) -> u64 {
        u64::from(self != 0)
    }
}

impl Word for bool {
    type Raw = u8;
    const TYPE: ValType = ValType::I32;
    #[inline]
    fn from_word(word: u64) -> Self {
        word != 0
    }
    #[inline]
    fn into_word(self) -> u64 {
        u64::from(self)
    }
}

impl<T> Word for *mut T {
    type Raw = *mut T;
    const TYPE: ValType = ValType::I32;
    #[inline]
    fn from_word(word: u64) -> Self {
        std::ptr::with_exposed_provenance_mut(usize::from_word(word))
    }
    #[inline]
    fn into_word(self) -> u64 {
        self.expose_provenance() as u64
    }
}

impl<T> Word for *const T {
    type Raw = *const T;
    const TYPE: ValType = ValType::I32;
    #[inline]
    fn from_word(word: u64) -> Self {
        std::ptr::with_exposed_provenance(usize::from_word(word))
    }
    #[inline]
    fn into_word(self) -> u64 {
        self.expose_provenance() as u64
    }
}
