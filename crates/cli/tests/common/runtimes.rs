//! What is compiled in.

/// The runtimes of WebAssembly plugins that are compiled in.
pub(crate) const RUNTIMES: &[&str] = &[
    #[cfg(feature = "wamr")]
    "envoy.wasm.runtime.wamr",
    #[cfg(feature = "wasmer")]
    "envoy.wasm.runtime.wasmer",
    #[cfg(feature = "wasmi")]
    "envoy.wasm.runtime.wasmi",
    #[cfg(feature = "wasmtime")]
    "envoy.wasm.runtime.wasmtime",
];

/// One of them, for what does not depend on which: wasmtime if it is there.
pub(crate) fn any_runtime() -> &'static str {
    RUNTIMES.last().expect("a runtime")
}
