//! Host functions, as wasmer's own typed ones.

use enginebay_engine::{HostError, HostFunction, Signature, ValType, Word, invoke};
use wasmer::{Extern, Function, FunctionEnv, FunctionEnvMut, FunctionType, RuntimeError, Store, Value};

use crate::instance::Running;
use crate::sys::captured::Captured;
use crate::word::{from_value, to_value, value_type};

/// Runs host function number `index`.
#[inline]
fn run<R: Word>(
    captured: &Captured,
    caller: FunctionEnvMut<'_, ()>,
    index: usize,
    args: &[u64],
) -> Result<R, HostError> {
    let state = captured.state();
    let mut guest = Running { caller, state };
    // wasmer carries panics through the guest's frames too, but it does not do its accounts while one unwinds.
    invoke(&*state.host, index, &mut guest, args).map(R::from_word)
}

macro_rules! word {
    (I32) => {
        u32
    };
    (I64) => {
        u64
    };
}

/// A match over the signatures that host functions have: each arm makes a function of exactly that type.
macro_rules! typed {
    ($store:ident $env:ident $captured:ident $index:ident $signature:ident $( ($($name:ident: $ty:ident),*) )*) => {
        match ($signature.params, $signature.result) {
            $(
                ([$(ValType::$ty),*], Some(ValType::I32)) => {
                    typed!(@ $store $env $captured $index u32 ($($name: $ty),*))
                }
                ([$(ValType::$ty),*], None) => {
                    typed!(@ $store $env $captured $index () ($($name: $ty),*))
                }
            )*
            _ => untyped($store, $env, $captured, $index, &$signature),
        }
    };
    (@ $store:ident $env:ident $captured:ident $index:ident $result:tt ($($name:ident: $ty:ident),*)) => {
        Function::new_typed_with_env(
            $store,
            $env,
            move |caller: FunctionEnvMut<'_, ()>, $($name: word!($ty)),*| -> Result<$result, HostError> {
                run(&$captured, caller, $index, &[$($name.into_word()),*])
            },
        )
    };
}

/// Host function number `index`, for the instance that `captured` is the state of.
pub(crate) fn host_function(
    store: &mut Store,
    env: &FunctionEnv<()>,
    captured: Captured,
    index: usize,
    function: &HostFunction,
) -> Extern {
    let signature = function.signature;
    Extern::Function(typed! {
        store env captured index signature
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
        (a: I32, b: I64)
        (a: I32, b: I64, c: I32)
        (a: I32, b: I64, c: I32, d: I32)
    })
}

/// Any other signature: a handful of WASI functions that no hot path calls.
fn untyped(
    store: &mut Store,
    env: &FunctionEnv<()>,
    captured: Captured,
    index: usize,
    signature: &Signature,
) -> Function {
    let result = signature.result;
    let types = |types: &[ValType]| types.iter().copied().map(value_type).collect::<Vec<_>>();
    let ty = FunctionType::new(types(signature.params), types(result.as_slice()));
    Function::new_with_env(store, env, ty, move |caller, params: &[Value]| {
        let mut args = [0; Signature::MAX_PARAMS];
        for (arg, param) in std::iter::zip(&mut args, params) {
            *arg = from_value(param);
        }
        let args = args.get(..params.len()).unwrap_or(&args);
        let word: u64 =
            run(&captured, caller, index, args).map_err(|error| RuntimeError::user(Box::new(error)))?;
        Ok(result.iter().map(|&ty| to_value(ty, word)).collect())
    })
}
