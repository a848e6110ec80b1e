//! Guest functions, as wasmtime's own typed ones.

use enginebay_engine::{Signature, ValType};
use wasmtime::{AsContextMut, Func, TypedFunc, Val};

use crate::imports::raw;
use crate::instance::Data;

macro_rules! exports {
    ($( $plain:ident $returning:ident ($($name:ident: $ty:ident),*) )*) => {
        /// An export, ready to be called with its own type.
        pub(crate) enum Export {
            $(
                $plain(TypedFunc<($($ty,)*), ()>),
                $returning(TypedFunc<($($ty,)*), u32>),
            )*
            /// Any other signature.
            Untyped(Func, Signature),
        }

        impl Export {
            /// The function, if it is of this type; the module was refused at load if it is not.
            pub(crate) fn new(store: impl AsContextMut, function: Func, signature: Signature) -> Option<Export> {
                match (signature.params, signature.result) {
                    $(
                        ([$(exports!(@val $ty)),*], None) => function.typed(&store).ok().map(Export::$plain),
                        ([$(exports!(@val $ty)),*], Some(ValType::I32)) => {
                            function.typed(&store).ok().map(Export::$returning)
                        }
                    )*
                    _ => Some(Export::Untyped(function, signature)),
                }
            }

            /// Calls it; `None` if it doesn't take this number of arguments. The caller sets the deadline.
            #[inline]
            pub(crate) fn call(&self, store: impl AsContextMut<Data = Data>, args: &[u64]) -> Option<wasmtime::Result<u64>> {
                Some(match (self, args) {
                    $(
                        (Export::$plain(function), &[$($name),*]) => {
                            function.call(store, ($($name as $ty,)*)).map(|()| 0)
                        }
                        (Export::$returning(function), &[$($name),*]) => {
                            function.call(store, ($($name as $ty,)*)).map(u64::from)
                        }
                    )*
                    (Export::Untyped(function, signature), args) if args.len() == signature.params.len() => {
                        call_untyped(function, signature, store, args)
                    }
                    _ => return None,
                })
            }
        }
    };
    (@val u32) => { ValType::I32 };
}

// Every callback and allocator of Proxy-Wasm has one of these signatures.
exports! {
    P0 R0 ()
    P1 R1 (a: u32)
    P2 R2 (a: u32, b: u32)
    P3 R3 (a: u32, b: u32, c: u32)
    P4 R4 (a: u32, b: u32, c: u32, d: u32)
    P5 R5 (a: u32, b: u32, c: u32, d: u32, e: u32)
}

fn call_untyped(
    function: &Func,
    signature: &Signature,
    store: impl AsContextMut,
    args: &[u64],
) -> wasmtime::Result<u64> {
    let params: Vec<Val> = std::iter::zip(args, signature.params)
        .map(|(&arg, ty)| match ty {
            ValType::I32 => Val::I32(arg as u32 as i32),
            ValType::I64 => Val::I64(arg as i64),
            ValType::F32 => Val::F32(arg as u32),
            ValType::F64 => Val::F64(arg),
        })
        .collect();
    let mut results = [Val::I32(0)];
    let results = &mut results[..signature.result.iter().len()];
    function.call(store, &params, results)?;
    Ok(results.first().map_or(0, raw))
}
