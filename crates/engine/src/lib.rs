//! The engine boundary: core traits for WebAssembly engines and their registry by name.

#![forbid(unsafe_code)]

mod signature;

pub use signature::{Signature, ValType};
