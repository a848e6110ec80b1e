//! wasmi's errors as the boundary's.

use std::fmt;
use std::time::Duration;

use enginebay_engine::{HostError, Trap, TrapKind};
use wasmi::TrapCode;
use wasmi::errors::ErrorKind;

/// What the error of a host function becomes, on its way through wasmi.
#[derive(Debug)]
pub(crate) struct Raised(Trap);

impl Raised {
    #[cold]
    pub(crate) fn error(error: HostError) -> wasmi::Error {
        Raised::trap(Trap::from_host_error(error))
    }

    #[cold]
    pub(crate) fn trap(trap: Trap) -> wasmi::Error {
        wasmi::Error::host(Raised(trap))
    }
}

impl fmt::Display for Raised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl wasmi::errors::HostError for Raised {}

/// The trap behind an error of a call; `limit` is the call's time limit.
#[cold]
pub(crate) fn from_error(error: &wasmi::Error, limit: Duration) -> Trap {
    // By reference, because a typed call that was paused does not give its error away.
    if let Some(Raised(trap)) = error.downcast_ref() {
        return trap.clone();
    }
    match error.as_trap_code() {
        // The limiter traps for nothing but a `table.grow` that runs out of fuel.
        Some(TrapCode::OutOfFuel | TrapCode::GrowthOperationLimited) => Trap::interrupted(limit),
        Some(code) => from_code(code).into(),
        None => Trap::new(TrapKind::Other, error.to_string()),
    }
}

/// Whether the error came out of guest code, and not from what precedes it.
pub(crate) fn is_trap(error: &wasmi::Error) -> bool {
    matches!(error.kind(), ErrorKind::TrapCode(_) | ErrorKind::Host(_))
}

fn from_code(code: TrapCode) -> enginebay_engine::TrapCode {
    use enginebay_engine::TrapCode as T;
    match code {
        TrapCode::UnreachableCodeReached => T::Unreachable,
        TrapCode::MemoryOutOfBounds => T::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds => T::TableOutOfBounds,
        TrapCode::IndirectCallToNull => T::IndirectCallToNull,
        TrapCode::BadSignature => T::IndirectCallTypeMismatch,
        TrapCode::IntegerDivisionByZero => T::DivisionByZero,
        TrapCode::IntegerOverflow => T::IntegerOverflow,
        TrapCode::BadConversionToInteger => T::InvalidConversion,
        TrapCode::StackOverflow => T::StackOverflow,
        TrapCode::OutOfSystemMemory | TrapCode::OutOfFuel | TrapCode::GrowthOperationLimited => {
            T::OutOfMemory
        }
    }
}
