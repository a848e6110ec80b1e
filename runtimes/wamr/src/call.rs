//! Calls into the guest.

use std::time::Duration;

use enginebay_engine::{ExportId, Trap};

use crate::export::{Cells, MAX_CELLS};
use crate::instance::Core;
use crate::sys::Access;
use crate::trap;
use crate::watchdog::Timer;

/// How many calls may run one inside the other. Each uses the machine's stack, which a guest must not be able to
/// overflow by calling itself through the host.
const MAX_DEPTH: u32 = 32;

/// Calls an export.
#[inline]
pub(crate) fn call(guest: &mut Access<'_>, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
    let core = guest.core();
    let function = usize::from(export.0);
    let wanted = match core.wanted.get(function) {
        Some(wanted) if core.raw.has_function(function) => wanted,
        _ => return Err(missing(core, export)),
    };
    if args.len() != wanted.export.signature.params.len() {
        return Err(Trap::wrong_arguments(wanted.export.name, args.len()));
    }
    let mut cells = [0; MAX_CELLS];
    let count = wanted.pack(args, &mut cells);
    run(guest, function, &mut cells, count)?;
    Ok(wanted.unpack(&cells))
}

/// Calls the function whose place is behind the wanted exports: the start function.
pub(crate) fn start(guest: &mut Access<'_>) -> Result<(), Trap> {
    let function = guest.core().wanted.len();
    run(guest, function, &mut [0; MAX_CELLS], 0)
}

#[inline]
fn run(guest: &mut Access<'_>, function: usize, cells: &mut Cells, count: u32) -> Result<(), Trap> {
    let core = guest.core();
    let depth = core.depth.get();
    if depth >= MAX_DEPTH {
        return Err(Trap::nested_too_deep(MAX_DEPTH));
    }
    let timer = core.timer.as_ref().filter(|_| depth == 0);
    core.depth.set(depth + 1);
    timer.inspect(|timer| timer.begin());
    let returned = guest.run(function, cells, count);
    let interrupted = timer.is_some_and(Timer::end);
    core.depth.set(depth);
    if returned && !interrupted {
        return Ok(());
    }
    failed(core, returned)
}

/// Makes the instance ready for the next call. Inside another call the watchdog may interrupt that one at this
/// moment, and does so again at the next tick.
#[cold]
fn failed(core: &Core, returned: bool) -> Result<(), Trap> {
    let message = core.raw.exception();
    core.raw.clear_exception();
    let raised = core.raised.take();
    if returned {
        return Ok(());
    }
    Err(raised.unwrap_or_else(|| {
        let limit = core.timer.as_ref().map_or(Duration::MAX, Timer::limit);
        trap::from_exception(&message, limit)
    }))
}

#[cold]
fn missing(core: &Core, export: ExportId) -> Trap {
    match core.wanted.get(usize::from(export.0)) {
        Some(wanted) => Trap::missing_export(wanted.export.name),
        None => Trap::missing_export(&export.to_string()),
    }
}
