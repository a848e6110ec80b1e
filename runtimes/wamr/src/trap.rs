//! WAMR's exceptions, which are words only, as traps.

use std::time::Duration;

use enginebay_engine::{Trap, TrapCode, TrapKind};

/// The trap behind an exception; `limit` is the time limit of the call.
#[cold]
pub(crate) fn from_exception(message: &str, limit: Duration) -> Trap {
    match message {
        "unreachable" => TrapCode::Unreachable.into(),
        "out of bounds memory access" => TrapCode::MemoryOutOfBounds.into(),
        "out of bounds table access" | "undefined element" => TrapCode::TableOutOfBounds.into(),
        "uninitialized element" => TrapCode::IndirectCallToNull.into(),
        "indirect call type mismatch" => TrapCode::IndirectCallTypeMismatch.into(),
        "integer divide by zero" => TrapCode::DivisionByZero.into(),
        "integer overflow" => TrapCode::IntegerOverflow.into(),
        "invalid conversion to integer" => TrapCode::InvalidConversion.into(),
        // The interpreter's stack, and that of the machine under it.
        "wasm operand stack overflow" | "native stack overflow" => TrapCode::StackOverflow.into(),
        "allocate memory failed" => TrapCode::OutOfMemory.into(),
        "terminated by user" => Trap::interrupted(limit),
        _ => Trap::new(TrapKind::Other, message),
    }
}
