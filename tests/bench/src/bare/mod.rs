//! The engines without enginebay: their own typed functions, called as their documentation says.
//!
//! Their host functions can end the guest's call with an error, as a host function of Proxy-Wasm must be able to: one
//! that can't compiles to a handful of instructions, and is no host's.
//!
//! Each module has a `Bare` that runs [`CALLS`](crate::guests::CALLS) with the settings enginebay uses, where the engine
//! has them: what enginebay adds to a guest's code to keep its limits is part of what it costs.

#[cfg(feature = "null")]
pub mod null;
#[cfg(feature = "wamr")]
#[allow(unsafe_code, reason = "calls C functions")]
pub mod wamr;
#[cfg(feature = "wasmer")]
pub mod wasmer;
#[cfg(feature = "wasmi")]
pub mod wasmi;
#[cfg(feature = "wasmtime")]
pub mod wasmtime;

/// The guest [`CALLS`](crate::guests::CALLS) on a bare engine.
pub trait Bare {
    /// Calls `proxy_on_log`, which does nothing.
    fn callback(&mut self);
    /// Has the guest call the host `n` times.
    fn host_calls(&mut self, n: u32);
    /// Has the guest call a host function that reads 64 bytes and writes 64 bytes `n` times.
    fn copies(&mut self, n: u32);
}

/// An engine by the last part of its runtime's name, and how to make its bare guest.
pub type Make = fn() -> Box<dyn Bare>;

/// The engines there are.
pub const ENGINES: &[(&str, Make)] = &[
    #[cfg(feature = "wasmtime")]
    ("wasmtime", || Box::new(wasmtime::Guest::new())),
    #[cfg(feature = "wasmer")]
    ("wasmer", || Box::new(wasmer::Guest::new())),
    #[cfg(feature = "wasmi")]
    ("wasmi", || Box::new(wasmi::Guest::new())),
    #[cfg(feature = "wamr")]
    ("wamr", || Box::new(wamr::Guest::new())),
    #[cfg(feature = "null")]
    ("null", || Box::new(null::Guest::new())),
];
