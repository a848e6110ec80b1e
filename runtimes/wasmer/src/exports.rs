//! Guest functions, as wasmer's own typed ones.

use enginebay_engine::{Signature, ValType, Word};
use wasmer::{AsStoreMut, Function, RuntimeError, TypedFunction, Value};

use crate::word::{from_value, to_value};

macro_rules! exports {
    ($( $plain:ident $returning:ident ($($name:ident: $ty:ident),*) )*) => {
        /// An export, ready to be called with its own type.
        #[expect(unused_parens, reason = "the list of one parameter is the parameter")]
        pub(crate) enum ExportedFunction {
            $(
                $plain(TypedFunction<($($ty),*), ()>),
                $returning(TypedFunction<($($ty),*), u32>),
            )*
            /// Any other signature.
            Untyped(Function, Signature),
        }

        impl ExportedFunction {
            /// The function, if it is of this type; the module was refused at load if it is not.
            pub(crate) fn new(store: &mut impl AsStoreMut, function: &Function, signature: Signature) -> Option<Self> {
                match (signature.params, signature.result) {
                    $(
                        ([$(exports!(@val $ty)),*], None) => function.typed(store).ok().map(Self::$plain),
                        ([$(exports!(@val $ty)),*], Some(ValType::I32)) => {
                            function.typed(store).ok().map(Self::$returning)
                        }
                    )*
                    _ => Some(Self::Untyped(function.clone(), signature)),
                }
            }

            /// Calls it; `None` if it doesn't take this number of arguments.
            #[inline]
            pub(crate) fn call(&self, store: &mut impl AsStoreMut, args: &[u64]) -> Option<Result<u64, RuntimeError>> {
                Some(match (self, args) {
                    $(
                        (Self::$plain(function), &[$($name),*]) => {
                            function.call(store, $($ty::from_word($name)),*).map(Word::into_word)
                        }
                        (Self::$returning(function), &[$($name),*]) => {
                            function.call(store, $($ty::from_word($name)),*).map(Word::into_word)
                        }
                    )*
                    (Self::Untyped(function, signature), args) if args.len() == signature.params.len() => {
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
    function: &Function,
    signature: &Signature,
    store: &mut impl AsStoreMut,
    args: &[u64],
) -> Result<u64, RuntimeError> {
    let params: Vec<Value> = std::iter::zip(args, signature.params)
        .map(|(&arg, &ty)| to_value(ty, arg))
        .collect();
    let results = function.call(store, &params)?;
    Ok(results.first().map_or(0, from_value))
}
