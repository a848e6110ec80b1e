//! wasmtime's errors as traps.

use std::time::Duration;

use enginebay_engine::{Frame, HostError, Trap, TrapCode, TrapKind};
use wasmtime::WasmBacktrace;

/// The trap behind an error of a call. `passed` is the call's time limit, if it has reached it.
pub(crate) fn convert(error: wasmtime::Error, passed: Option<Duration>) -> Trap {
    let frames: Vec<Frame> = error
        .downcast_ref::<WasmBacktrace>()
        .into_iter()
        .flat_map(WasmBacktrace::frames)
        .map(|frame| Frame::new(Some(frame.func_index()), frame.func_name()))
        .collect();
    let trap = match error.downcast::<HostError>() {
        Ok(error) => Trap::from_host_error(error),
        Err(error) => match error.downcast_ref::<wasmtime::Trap>() {
            Some(trap) => from_code(*trap, passed),
            None => Trap::new(TrapKind::Other, format!("{error:#}")),
        },
    };
    trap.with_backtrace(frames)
}

fn from_code(trap: wasmtime::Trap, passed: Option<Duration>) -> Trap {
    use wasmtime::Trap as T;
    let code = match trap {
        T::UnreachableCodeReached => match passed {
            Some(limit) => return Trap::interrupted(limit),
            None => TrapCode::Unreachable,
        },
        T::MemoryOutOfBounds | T::HeapMisaligned => TrapCode::MemoryOutOfBounds,
        T::TableOutOfBounds => TrapCode::TableOutOfBounds,
        T::IndirectCallToNull | T::NullReference => TrapCode::IndirectCallToNull,
        T::BadSignature => TrapCode::IndirectCallTypeMismatch,
        T::IntegerDivisionByZero => TrapCode::DivisionByZero,
        T::IntegerOverflow => TrapCode::IntegerOverflow,
        T::BadConversionToInteger => TrapCode::InvalidConversion,
        T::StackOverflow => TrapCode::StackOverflow,
        T::AllocationTooLarge => TrapCode::OutOfMemory,
        other => return Trap::new(TrapKind::Other, other.to_string()),
    };
    code.into()
}
