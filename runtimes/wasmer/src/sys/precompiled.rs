//! Compiled code from elsewhere.

use enginebay_engine::{Error, ErrorKind};
use wasmer::{Engine, Module};

/// The module in what `Module::serialize` of the same version of wasmer wrote.
pub(crate) fn deserialize(engine: &Engine, bytes: &[u8]) -> Result<Module, Error> {
    // SAFETY: `Engine::deserialize` of the boundary, the only caller, is for bytes that its own `precompile` made, on an
    // engine with the same key, from a source that the embedder vouches for.
    unsafe { Module::deserialize(engine, bytes) }.map_err(|error| {
        Error::new(
            ErrorKind::Compile,
            format!("wasmer doesn't take the compiled code: {error}"),
        )
    })
}
