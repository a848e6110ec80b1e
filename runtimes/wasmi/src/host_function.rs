//! Host functions: what wasmi calls when the guest calls an import.

use std::rc::Rc;

use enginebay_engine::{HostFunction, Signature, ValType, Word, invoke};
use wasmi::errors::LinkerError;
use wasmi::{Caller, FuncType, Linker, Val};

use crate::instance::Running;
use crate::state::{State, resolve};
use crate::trap::Raised;
use crate::word::{from_val, to_val, val_type};

/// Runs host function number `index`. A panic that unwinds into wasmi ends the process: `invoke` stops those of the
/// host, and nothing else here may panic.
#[inline]
fn run(mut caller: Caller<'_, State>, index: usize, args: &[u64]) -> Result<u64, wasmi::Error> {
    if !caller.data().resolved {
        resolve_early(&mut caller);
    }
    let state = caller.data_mut();
    if let Err(trap) = state.clock.host_call() {
        return Err(Raised::trap(trap));
    }
    let host = Rc::clone(&state.host);
    invoke(&*host, index, &mut Running(caller), args).map_err(Raised::error)
}

/// For a start function, which calls the host before there is an instance to look at from outside.
#[cold]
fn resolve_early(caller: &mut Caller<'_, State>) {
    let names: Vec<_> = std::iter::once("memory")
        .chain(caller.data().wanted.iter().map(|export| export.name))
        .map(|name| (name, caller.get_export(name)))
        .collect();
    // Where the start function is itself a host function, wasmi does not say of which instance: that is for later.
    if names.iter().all(|(_, found)| found.is_none()) {
        return;
    }
    resolve(caller, |_, name| {
        names
            .iter()
            .find(|(n, _)| *n == name)
            .and_then(|(_, found)| *found)
    });
}

macro_rules! word {
    (I32) => {
        u32
    };
    (I64) => {
        u64
    };
}

macro_rules! define_typed {
    ($linker:ident $index:ident $function:ident $( ($($param:ident: $ty:ident),*) )*) => {
        match ($function.signature.params, $function.signature.result) {
            $(
                ([$(ValType::$ty),*], None) => {
                    define_typed!(@ $linker $index $function () ($($param: $ty),*))
                }
                ([$(ValType::$ty),*], Some(ValType::I32)) => {
                    define_typed!(@ $linker $index $function u32 ($($param: $ty),*))
                }
            )*
            _ => define_untyped($linker, $index, $function),
        }
    };
    (@ $linker:ident $index:ident $function:ident $result:tt ($($param:ident: $ty:ident),*)) => {
        $linker
            .func_wrap(
                $function.module,
                $function.name,
                move |caller: Caller<'_, State>, $($param: word!($ty)),*| -> Result<$result, wasmi::Error> {
                    run(caller, $index, &[$($param.into_word()),*]).map(<$result>::from_word)
                },
            )
            .map(drop)
    };
}

/// Adds host function number `index` to the linker.
///
/// A function of a type that is known here is called twice as fast as through an array of tagged values, which
/// wasmi allocates for each call. The types listed are all those of Proxy-Wasm and the common ones of WASI.
pub(crate) fn define(
    linker: &mut Linker<State>,
    index: usize,
    function: &HostFunction,
) -> Result<(), LinkerError> {
    define_typed! { linker index function
        ()
        (a: I32)
        (a: I32, b: I32)
        (a: I32, b: I32, c: I32)
        (a: I32, b: I32, c: I32, d: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32, f: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32, f: I32, g: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32, f: I32, g: I32, h: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32, f: I32, g: I32, h: I32, i: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32, f: I32, g: I32, h: I32, i: I32, j: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32, f: I32, g: I32, h: I32, i: I32, j: I32, k: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32, f: I32, g: I32, h: I32, i: I32, j: I32, k: I32, l: I32)
        (a: I32, b: I32, c: I32, d: I32, e: I32, f: I32, g: I32, h: I32, i: I32, j: I32, k: I32, l: I32, m: I32)
        (a: I32, b: I64)
        (a: I32, b: I64, c: I32)
        (a: I32, b: I64, c: I32, d: I32)
    }
}

fn define_untyped(
    linker: &mut Linker<State>,
    index: usize,
    function: &HostFunction,
) -> Result<(), LinkerError> {
    let Signature { params, result } = function.signature;
    let ty = FuncType::new(
        params.iter().copied().map(val_type),
        result.iter().copied().map(val_type),
    );
    let run = move |caller: Caller<'_, State>, params: &[Val], results: &mut [Val]| {
        let mut words = [0; Signature::MAX_PARAMS];
        for (word, value) in words.iter_mut().zip(params) {
            *word = from_val(value).unwrap_or(0);
        }
        let args = words.get(..params.len()).unwrap_or(&words);
        let word = run(caller, index, args)?;
        if let (Some(ty), [slot]) = (result, results) {
            *slot = to_val(ty, word);
        }
        Ok(())
    };
    linker.func_new(function.module, function.name, ty, run).map(drop)
}
