//! Host functions, as wasmtime's own typed ones.

use enginebay_engine::{Error, ErrorKind, HostError, HostFunction, Signature, ValType, Word};
use wasmtime::{Caller, FuncType, Linker, Val};

use crate::host_ref;
use crate::instance::Data;

#[inline]
fn host_call<R: Word>(caller: Caller<'_, Data>, index: usize, args: &[u64]) -> wasmtime::Result<R> {
    // wasmtime carries a panic through the guest's frames to the outermost call, which turns it into a trap.
    match host_ref::call(caller, index, args) {
        Ok(raw) => Ok(R::from_word(raw)),
        Err(error) => Err(failed(error)),
    }
}

/// Out of line, so that the way of a call that succeeds stays short.
#[cold]
#[inline(never)]
fn failed(error: HostError) -> wasmtime::Error {
    wasmtime::Error::new(error)
}

/// A match over the signatures that host functions have: each arm links a closure of exactly that type.
macro_rules! typed {
    ($linker:ident, $index:ident, $function:ident, else $fallback:expr;
     $( ($($name:ident: $ty:ident),*) )*) => {
        match ($function.signature.params, $function.signature.result) {
            $(
                ([$(typed!(@val $ty)),*], Some(ValType::I32)) => $linker.func_wrap(
                    $function.module,
                    $function.name,
                    move |caller: Caller<'_, Data>, $($name: $ty),*| -> wasmtime::Result<u32> {
                        host_call(caller, $index, &[$($name.into_word()),*])
                    },
                ),
                ([$(typed!(@val $ty)),*], None) => $linker.func_wrap(
                    $function.module,
                    $function.name,
                    move |caller: Caller<'_, Data>, $($name: $ty),*| -> wasmtime::Result<()> {
                        host_call(caller, $index, &[$($name.into_word()),*])
                    },
                ),
            )*
            _ => $fallback,
        }
    };
    (@val u32) => { ValType::I32 };
    (@val u64) => { ValType::I64 };
}

/// Links host function number `index`.
pub(crate) fn link(linker: &mut Linker<Data>, index: usize, function: &HostFunction) -> Result<(), Error> {
    typed! {
        linker, index, function, else link_untyped(linker, index, function);
        ()
        (a: u32)
        (a: u32, b: u32)
        (a: u32, b: u32, c: u32)
        (a: u32, b: u32, c: u32, d: u32)
        (a: u32, b: u32, c: u32, d: u32, e: u32)
        (a: u32, b: u32, c: u32, d: u32, e: u32, f: u32)
        (a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32)
        (a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32)
        (a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32)
        (a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32)
        (a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32, k: u32, l: u32)
        (a: u32, b: u64)
        (a: u32, b: u64, c: u32)
    }
    .map(|_| ())
    .map_err(|error| Error::new(ErrorKind::Compile, format!("{error:#}")))
}

/// Any other signature: a handful of WASI functions that no hot path calls.
fn link_untyped<'a>(
    linker: &'a mut Linker<Data>,
    index: usize,
    function: &HostFunction,
) -> wasmtime::Result<&'a mut Linker<Data>> {
    let ty = func_type(linker.engine(), &function.signature);
    let result = function.signature.result;
    linker.func_new(
        function.module,
        function.name,
        ty,
        move |caller, params, results| {
            let mut args = [0u64; Signature::MAX_PARAMS];
            for (arg, param) in std::iter::zip(&mut args, params) {
                *arg = raw(param);
            }
            let word: u64 = host_call(caller, index, &args[..params.len()])?;
            if let (Some(ty), Some(slot)) = (result, results.first_mut()) {
                *slot = match ty {
                    ValType::I32 => Val::I32(word as u32 as i32),
                    ValType::I64 => Val::I64(word as i64),
                    ValType::F32 => Val::F32(word as u32),
                    ValType::F64 => Val::F64(word),
                };
            }
            Ok(())
        },
    )
}

/// A number as a raw word. Signatures hold nothing but numbers, so there is nothing else to convert.
pub(crate) fn raw(value: &Val) -> u64 {
    match *value {
        Val::I32(value) => u64::from(value as u32),
        Val::I64(value) => value as u64,
        Val::F32(bits) => u64::from(bits),
        Val::F64(bits) => bits,
        _ => 0,
    }
}

fn func_type(engine: &wasmtime::Engine, signature: &Signature) -> FuncType {
    let convert = |ty: &ValType| match ty {
        ValType::I32 => wasmtime::ValType::I32,
        ValType::I64 => wasmtime::ValType::I64,
        ValType::F32 => wasmtime::ValType::F32,
        ValType::F64 => wasmtime::ValType::F64,
    };
    FuncType::new(
        engine,
        signature.params.iter().map(convert),
        signature.result.iter().map(convert),
    )
}
