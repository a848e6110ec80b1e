//! WebAssembly values as the raw words of the boundary.

use enginebay_engine::{ValType, Word};
use wasmi::{F32, F64, Val};

/// A value whose type is known at run time only. `None` for the types that can't cross the boundary.
pub(crate) fn from_val(value: &Val) -> Option<u64> {
    match value {
        Val::I32(value) => Some(u64::from(value.cast_unsigned())),
        Val::I64(value) => Some(value.cast_unsigned()),
        Val::F32(value) => Some(u64::from(value.to_bits())),
        Val::F64(value) => Some(value.to_bits()),
        _ => None,
    }
}

/// The value of type `ty` in `word`.
pub(crate) fn to_val(ty: ValType, word: u64) -> Val {
    match ty {
        ValType::I32 => Val::I32(u32::from_word(word).cast_signed()),
        ValType::I64 => Val::I64(word.cast_signed()),
        ValType::F32 => Val::F32(F32::from_bits(u32::from_word(word))),
        ValType::F64 => Val::F64(F64::from_bits(word)),
    }
}

/// wasmi's name for the type.
pub(crate) fn val_type(ty: ValType) -> wasmi::ValType {
    match ty {
        ValType::I32 => wasmi::ValType::I32,
        ValType::I64 => wasmi::ValType::I64,
        ValType::F32 => wasmi::ValType::F32,
        ValType::F64 => wasmi::ValType::F64,
    }
}
