//! WebAssembly values as the raw words of the boundary.

use enginebay_engine::ValType;
use wasmer::{Type, Value};

/// A value of one type.
pub(crate) trait Word {
    fn into_word(self) -> u64;
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

/// A value whose type is known at run time only. Signatures hold nothing but numbers, so there is nothing else to convert.
pub(crate) fn from_value(value: &Value) -> u64 {
    match *value {
        Value::I32(value) => u64::from(value.cast_unsigned()),
        Value::I64(value) => value.cast_unsigned(),
        Value::F32(value) => u64::from(value.to_bits()),
        Value::F64(value) => value.to_bits(),
        _ => 0,
    }
}

/// The value of type `ty` in `word`.
pub(crate) fn to_value(ty: ValType, word: u64) -> Value {
    match ty {
        ValType::I32 => Value::I32(u32::from_word(word).cast_signed()),
        ValType::I64 => Value::I64(word.cast_signed()),
        ValType::F32 => Value::F32(f32::from_bits(u32::from_word(word))),
        ValType::F64 => Value::F64(f64::from_bits(word)),
    }
}

/// wasmer's name for the type.
pub(crate) fn value_type(ty: ValType) -> Type {
    match ty {
        ValType::I32 => Type::I32,
        ValType::I64 => Type::I64,
        ValType::F32 => Type::F32,
        ValType::F64 => Type::F64,
    }
}
