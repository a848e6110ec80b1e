//! wasmtime's errors as traps.

use enginebay_engine::{Frame, HostError, Trap, TrapKind};
use wasmtime::WasmBacktrace;

/// The trap behind an error of a call.
pub(crate) fn convert(error: wasmtime::Error) -> Trap {
    let frames: Vec<Frame> = error
        .downcast_ref::<WasmBacktrace>()
        .into_iter()
        .flat_map(WasmBacktrace::frames)
        .map(|frame| Frame::new(Some(frame.func_index()), frame.func_name()))
        .collect();
    let trap = match error.downcast::<HostError>() {
        Ok(error) => Trap::from_host_error(error),
        Err(error) => match error.downcast_ref::<wasmtime::Trap>() {
            Some(trap) => Trap::new(kind(*trap), trap.to_string()),
            None => Trap::new(TrapKind::Other, format!("{error:#}")),
        },
    };
    trap.with_backtrace(frames)
}

fn kind(trap: wasmtime::Trap) -> TrapKind {
    use wasmtime::Trap as T;
    match trap {
        T::UnreachableCodeReached => TrapKind::Unreachable,
        T::MemoryOutOfBounds | T::HeapMisaligned => TrapKind::MemoryOutOfBounds,
        T::TableOutOfBounds | T::IndirectCallToNull | T::BadSignature | T::NullReference => {
            TrapKind::BadTableAccess
        }
        T::IntegerOverflow | T::IntegerDivisionByZero | T::BadConversionToInteger => TrapKind::Arithmetic,
        T::StackOverflow => TrapKind::StackOverflow,
        T::Interrupt | T::OutOfFuel => TrapKind::Interrupted,
        T::AllocationTooLarge => TrapKind::OutOfMemory,
        _ => TrapKind::Other,
    }
}
