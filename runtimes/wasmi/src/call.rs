//! Calls into the guest.

use enginebay_engine::{ExportId, Trap};
use wasmi::{
    Func, ResumableCall, StoreContextMut, TypedFunc, TypedResumableCall, Val, WasmParams, WasmResults,
};

use crate::clock::Clock;
use crate::state::State;
use crate::trap;

/// How many calls may run one inside the other. Each uses the machine's stack, which a guest must not be able to
/// overflow by calling itself through the host.
const MAX_DEPTH: u32 = 32;

/// Calls an export.
#[inline]
pub(crate) fn call(mut ctx: StoreContextMut<'_, State>, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
    let state = ctx.data_mut();
    let Some(Some(function)) = state.exports.get(usize::from(export.0)).copied() else {
        return Err(missing(state, export));
    };
    let depth = state.depth;
    if depth >= MAX_DEPTH {
        return Err(Trap::nested_too_deep(MAX_DEPTH));
    }
    state.depth = depth + 1;
    if depth == 0 {
        Clock::begin(&mut ctx);
    }
    let result = function.call(&mut ctx, args);
    ctx.data_mut().depth = depth;
    result
}

/// Runs a function whose type is known at compile time, in as many portions of fuel as its time limit allows.
#[inline]
pub(crate) fn typed<P, R>(
    ctx: &mut StoreContextMut<'_, State>,
    function: TypedFunc<P, R>,
    params: P,
) -> Result<R, Trap>
where
    P: WasmParams,
    R: WasmResults,
{
    let mut outcome = function.call_resumable(&mut *ctx, params);
    loop {
        let paused = match outcome {
            Ok(TypedResumableCall::Finished(result)) => return Ok(result),
            Ok(TypedResumableCall::OutOfFuel(paused)) => paused,
            Ok(TypedResumableCall::HostTrap(ended)) => return Err(failed(ctx, ended.host_error())),
            Err(error) => return Err(failed(ctx, &error)),
        };
        Clock::go_on(ctx, paused.required_fuel())?;
        outcome = paused.resume(&mut *ctx);
    }
}

/// As [`typed`], for a type that is known at run time only. The result is written to `results`.
pub(crate) fn untyped(
    ctx: &mut StoreContextMut<'_, State>,
    function: Func,
    params: &[Val],
    results: &mut [Val],
) -> Result<(), Trap> {
    let mut outcome = function.call_resumable(&mut *ctx, params, results);
    loop {
        let paused = match outcome {
            Ok(ResumableCall::Finished) => return Ok(()),
            Ok(ResumableCall::OutOfFuel(paused)) => paused,
            Ok(ResumableCall::HostTrap(ended)) => return Err(failed(ctx, ended.host_error())),
            Err(error) => return Err(failed(ctx, &error)),
        };
        Clock::go_on(ctx, paused.required_fuel())?;
        outcome = paused.resume(&mut *ctx, results);
    }
}

#[cold]
fn failed(ctx: &StoreContextMut<'_, State>, error: &wasmi::Error) -> Trap {
    trap::from_error(error, ctx.data().clock.limit())
}

#[cold]
fn missing(state: &State, export: ExportId) -> Trap {
    match state.wanted.get(usize::from(export.0)) {
        Some(export) => Trap::missing_export(export.name),
        None => Trap::missing_export(&export.to_string()),
    }
}
