//! wasmi's errors as the boundary's.

use std::fmt;
use std::time::Duration;

use enginebay_engine::{HostError, Trap, TrapKind};
use wasmi::TrapCode;
use wasmi::errors::ErrorKind;

use crate::clock::interrupted;

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
        Some(TrapCode::OutOfFuel) => interrupted(limit),
        Some(code) => Trap::new(kind(code), code.trap_message()),
        None => Trap::new(TrapKind::Other, error.to_string()),
    }
}

/// Whether the error came out of guest code, and not from what precedes it.
pub(crate) fn is_trap(error: &wasmi::Error) -> bool {
    matches!(error.kind(), ErrorKind::TrapCode(_) | ErrorKind::Host(_))
}

fn kind(code: TrapCode) -> TrapKind {
    match code {
        TrapCode::UnreachableCodeReached => TrapKind::Unreachable,
        TrapCode::MemoryOutOfBounds => TrapKind::MemoryOutOfBounds,
        TrapCode::TableOutOfBounds | TrapCode::IndirectCallToNull | TrapCode::BadSignature => {
            TrapKind::BadTableAccess
        }
        TrapCode::IntegerDivisionByZero | TrapCode::IntegerOverflow | TrapCode::BadConversionToInteger => {
            TrapKind::Arithmetic
        }
        TrapCode::StackOverflow => TrapKind::StackOverflow,
        // The limiter traps for nothing but a `table.grow` that runs out of fuel.
        TrapCode::OutOfFuel | TrapCode::GrowthOperationLimited => TrapKind::Interrupted,
        TrapCode::OutOfSystemMemory => TrapKind::OutOfMemory,
    }
}
