//! Compiled modules as bytes.
#![allow(unsafe_code)]

use std::hash::{DefaultHasher, Hash, Hasher};

use enginebay_engine::{Compiler, Error, ErrorKind};

use crate::prepare;

/// All that code compiled by this engine depends on. wasmtime itself gives everything but the engine's name, the
/// compiler's and what is changed before: its version, the target with its features, and the settings.
pub(crate) fn key(compiler: Compiler, engine: &wasmtime::Engine) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    prepare::VERSION.hash(&mut hasher);
    let (arch, os) = (std::env::consts::ARCH, std::env::consts::OS);
    let by = match compiler {
        Compiler::Baseline => " (Winch)",
        _ => "",
    };
    format!(
        "{}{by} for {arch}-{os}, settings {:016x}",
        crate::ENGINE,
        hasher.finish()
    )
}

/// The module in `compiled`, which is run as it is: see [`enginebay_engine::Engine::deserialize`].
pub(crate) fn load(engine: &wasmtime::Engine, compiled: &[u8]) -> Result<wasmtime::Module, Error> {
    // SAFETY: this must be what `Engine::precompile_module` returned, unchanged. The boundary asks for it only where the
    // embedder said that it trusts the module's source, and after comparing the digest that was made with it and the
    // key above; wasmtime compares its version and settings once more.
    let module = unsafe { wasmtime::Module::deserialize(engine, compiled) };
    module.map_err(|error| {
        Error::new(
            ErrorKind::Unsupported,
            format!("wasmtime does not take it: {error:#}"),
        )
    })
}
