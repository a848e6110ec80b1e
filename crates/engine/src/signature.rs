//! Function signatures as the boundary knows them.

use std::fmt;

/// A WebAssembly value type that can cross the engine boundary.
///
/// Proxy-Wasm and WASI preview 1 use `i32` and `i64` (and one legacy `f64`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ValType {
    /// 32-bit integer, carried zero-extended in a raw 64-bit word.
    I32,
    /// 64-bit integer.
    I64,
    /// 32-bit float, carried as its bits, zero-extended.
    F32,
    /// 64-bit float, carried as its bits.
    F64,
}

impl fmt::Display for ValType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ValType::I32 => "i32",
            ValType::I64 => "i64",
            ValType::F32 => "f32",
            ValType::F64 => "f64",
        })
    }
}

/// The signature of a host function or of an export, written down at compile time.
///
/// At most one result: nothing in Proxy-Wasm or WASI preview 1 returns more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Signature {
    /// Parameter types, in order. At most [`Signature::MAX_PARAMS`].
    pub params: &'static [ValType],
    /// The result type, if any.
    pub result: Option<ValType>,
}

impl Signature {
    /// The largest number of parameters a host function or export may have.
    pub const MAX_PARAMS: usize = 16;

    /// A signature with these parameters and this result.
    ///
    /// # Panics
    /// At compile time, or at run time outside a constant, when there are more than
    /// [`Signature::MAX_PARAMS`] parameters.
    pub const fn new(params: &'static [ValType], result: Option<ValType>) -> Self {
        assert!(params.len() <= Self::MAX_PARAMS, "too many parameters");
        Signature { params, result }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_signature(f, self.params, self.result.as_slice())
    }
}

/// Writes `(i32, i64) -> i32`, the one form in which signatures appear in messages.
pub(crate) fn write_signature(
    f: &mut fmt::Formatter<'_>,
    params: &[impl fmt::Display],
    results: &[impl fmt::Display],
) -> fmt::Result {
    let list = |f: &mut fmt::Formatter<'_>, types: &[&dyn fmt::Display]| {
        for (i, ty) in types.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            ty.fmt(f)?;
        }
        Ok(())
    };
    let params: Vec<&dyn fmt::Display> = params.iter().map(|p| p as &dyn fmt::Display).collect();
    let results: Vec<&dyn fmt::Display> = results.iter().map(|r| r as &dyn fmt::Display).collect();
    f.write_str("(")?;
    list(f, &params)?;
    f.write_str(")")?;
    match results.len() {
        0 => Ok(()),
        1 => {
            f.write_str(" -> ")?;
            list(f, &results)
        }
        _ => {
            f.write_str(" -> (")?;
            list(f, &results)?;
            f.write_str(")")
        }
    }
}
