//! The plugin.

#[allow(unsafe_code, reason = "exports symbols in WebAssembly")]
pub mod exports;
#[allow(unsafe_code, reason = "calls C functions")]
mod host;
mod interpreter;
mod memory;
