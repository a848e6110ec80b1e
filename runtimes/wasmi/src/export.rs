//! The functions a guest exports, by the shape of their types.

use enginebay_engine::{Signature, Trap, TrapKind, ValType, Word};
use wasmi::{Func, StoreContextMut, TypedFunc, Val};

use crate::call::{typed, untyped};
use crate::state::State;
use crate::word::{from_val, to_val};

macro_rules! i32_word {
    ($name:ident) => {
        u32
    };
}

macro_rules! i32_type {
    ($name:ident) => {
        ValType::I32
    };
}

macro_rules! exported_function {
    ($( $void:ident $int:ident ($($param:ident)*) )*) => {
        /// An export with its type: all the callbacks of Proxy-Wasm have one of the first forms, which are
        /// called without a check and without boxing a value.
        #[derive(Clone, Copy)]
        pub(crate) enum ExportedFunction {
            $(
                $void(TypedFunc<($(i32_word!($param),)*), ()>),
                $int(TypedFunc<($(i32_word!($param),)*), u32>),
            )*
            Any(Signature, Func),
        }

        impl ExportedFunction {
            /// `None` when the function isn't of this type.
            pub(crate) fn new(
                ctx: &StoreContextMut<'_, State>,
                func: Func,
                signature: Signature,
            ) -> Option<Self> {
                match (signature.params, signature.result) {
                    $(
                        ([$(i32_type!($param)),*], None) => func.typed(ctx).ok().map(Self::$void),
                        ([$(i32_type!($param)),*], Some(ValType::I32)) => func.typed(ctx).ok().map(Self::$int),
                    )*
                    _ => Some(Self::Any(signature, func)),
                }
            }

            /// Calls the function with one word for each parameter.
            #[inline]
            pub(crate) fn call(
                self,
                ctx: &mut StoreContextMut<'_, State>,
                args: &[u64],
            ) -> Result<u64, Trap> {
                match self {
                    $(
                        Self::$void(function) => {
                            let &[$($param),*] = args else {
                                return Err(wrong_number(args));
                            };
                            typed(ctx, function, ($(u32::from_word($param),)*)).map(Word::into_word)
                        }
                        Self::$int(function) => {
                            let &[$($param),*] = args else {
                                return Err(wrong_number(args));
                            };
                            typed(ctx, function, ($(u32::from_word($param),)*)).map(Word::into_word)
                        }
                    )*
                    Self::Any(signature, function) => any(ctx, signature, function, args),
                }
            }
        }
    };
}

exported_function! {
    Void0 Int0 ()
    Void1 Int1 (a)
    Void2 Int2 (a b)
    Void3 Int3 (a b c)
    Void4 Int4 (a b c d)
    Void5 Int5 (a b c d e)
    Void6 Int6 (a b c d e f)
}

fn any(
    ctx: &mut StoreContextMut<'_, State>,
    signature: Signature,
    function: Func,
    args: &[u64],
) -> Result<u64, Trap> {
    if args.len() != signature.params.len() {
        return Err(wrong_number(args));
    }
    let mut params = [const { Val::I32(0) }; Signature::MAX_PARAMS];
    for ((slot, ty), word) in params.iter_mut().zip(signature.params).zip(args) {
        *slot = to_val(*ty, *word);
    }
    let mut results = [Val::I32(0)];
    let results = &mut results[..signature.result.iter().len()];
    // At most as many as there are slots: `Signature` sees to it.
    untyped(ctx, function, params.get(..args.len()).unwrap_or(&[]), results)?;
    Ok(results.first().and_then(from_val).unwrap_or(0))
}

#[cold]
fn wrong_number(args: &[u64]) -> Trap {
    Trap::new(
        TrapKind::Other,
        format!("the export doesn't take {} arguments", args.len()),
    )
}
