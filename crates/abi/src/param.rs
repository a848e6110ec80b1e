//! Parameter kinds.

use enginebay_engine::ValType;

/// What a parameter or a result is, from which its type follows on every kind of runtime.
///
/// In wasm an address and a size are 32 bits wide; in a native plugin (the null runtime) they are
/// as wide as the machine's, so a wasm type alone is not enough to call one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Param {
    /// `uint32_t` or an enum. 32 bits everywhere.
    U32,
    /// `bool`, 0 or 1. `i32` in wasm. In a native result only the lowest byte means anything.
    Bool,
    /// `uint64_t` or `int64_t`. 64 bits everywhere.
    U64,
    /// `double`. 64 bits everywhere.
    F64,
    /// An address in the guest.
    Ptr,
    /// `size_t`.
    Size,
}

impl Param {
    /// The type in a wasm signature.
    pub const fn val_type(self) -> ValType {
        match self {
            Param::U32 | Param::Bool | Param::Ptr | Param::Size => ValType::I32,
            Param::U64 => ValType::I64,
            Param::F64 => ValType::F64,
        }
    }

    /// Whether the width is that of the guest's words: 4 bytes in wasm, 8 in a native plugin.
    pub const fn is_word(self) -> bool {
        matches!(self, Param::Ptr | Param::Size)
    }
}

/// Both forms of a signature from one list of kinds, at compile time.
macro_rules! params {
    ($($kind:ident),* $(,)?) => {
        const { &[$($crate::param::Param::$kind),*] as &'static [$crate::param::Param] }
    };
}

/// The wasm signature of a list of kinds, at compile time.
macro_rules! signature {
    (($($kind:ident),* $(,)?)) => {
        ::enginebay_engine::Signature::new(
            const { &[$($crate::param::Param::$kind.val_type()),*] },
            None,
        )
    };
    (($($kind:ident),* $(,)?) -> $result:ident) => {
        ::enginebay_engine::Signature::new(
            const { &[$($crate::param::Param::$kind.val_type()),*] },
            Some($crate::param::Param::$result.val_type()),
        )
    };
}

pub(crate) use {params, signature};
