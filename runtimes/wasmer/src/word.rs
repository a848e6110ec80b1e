//! WebAssembly values as the raw words of the boundary.

use enginebay_engine::{ValType, Word};
use wasmer::{Type, Value};

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
