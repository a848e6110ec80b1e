//! wasmer's errors as traps.

use std::time::Duration;

use enginebay_engine::{Frame, HostError, Trap, TrapCode, TrapKind};
use wasmer::RuntimeError;

/// The trap behind an error of a call. `passed` is the call's time limit, if it has reached it.
pub(crate) fn convert(error: RuntimeError, passed: Option<Duration>) -> Trap {
    let error = match error.downcast::<HostError>() {
        // wasmer looks for the guest's frames when they are gone, and finds those of the call around this one.
        Ok(error) => return Trap::from_host_error(error),
        Err(error) => error,
    };
    let frames: Vec<Frame> = error
        .trace()
        .iter()
        .map(|frame| Frame::new(Some(frame.func_index()), frame.function_name()))
        .collect();
    let message = error.message();
    let trap = match (error.to_trap().and_then(from_code), passed) {
        (Some(TrapCode::Unreachable), Some(limit)) => Trap::interrupted(limit),
        (Some(code), _) => code.into(),
        (None, _) => Trap::new(TrapKind::Other, message),
    };
    trap.with_backtrace(frames)
}

/// `None` for what a guest can't run into without features that are off.
fn from_code(code: wasmer::sys::vm::TrapCode) -> Option<TrapCode> {
    use wasmer::sys::vm::TrapCode as T;
    Some(match code {
        T::UnreachableCodeReached => TrapCode::Unreachable,
        T::HeapAccessOutOfBounds | T::HeapMisaligned => TrapCode::MemoryOutOfBounds,
        T::TableAccessOutOfBounds => TrapCode::TableOutOfBounds,
        T::IndirectCallToNull => TrapCode::IndirectCallToNull,
        T::BadSignature => TrapCode::IndirectCallTypeMismatch,
        T::IntegerDivisionByZero => TrapCode::DivisionByZero,
        T::IntegerOverflow => TrapCode::IntegerOverflow,
        T::BadConversionToInteger => TrapCode::InvalidConversion,
        T::StackOverflow => TrapCode::StackOverflow,
        T::UnalignedAtomic
        | T::UncaughtException
        | T::UninitializedExnRef
        | T::YieldOutsideAsyncContext
        | T::HostInterrupt
        | T::ReadonlyTableModified => return None,
    })
}
