//! What each host function costs, and each callback: through the whole host, and on the bare engine.

mod callbacks;
mod functions;
mod guest;
mod host;
#[cfg(feature = "null")]
#[allow(unsafe_code, reason = "a plugin with C functions")]
mod native;
mod rows;
#[cfg(feature = "wamr")]
#[allow(unsafe_code, reason = "calls C functions")]
mod wamr;
#[cfg(feature = "wasmer")]
mod wasmer;
#[cfg(feature = "wasmi")]
mod wasmi;
#[cfg(feature = "wasmtime")]
mod wasmtime;

pub use self::callbacks::{CALLBACKS, Callback, Shape};
pub use self::host::{CallbackHost, Host};
pub use self::rows::{ROWS, Row};

/// Bytes that `proxy_get_header_map_pairs` gives: [`REQUEST`](crate::guests::REQUEST), serialised.
pub(crate) const PAIRS_SIZE: u32 = 506;

/// How often a row's functions are called in one call of the guest.
pub const REPEAT: u32 = 1000;

/// A guest that calls host functions, on a bare engine.
pub trait Bare {
    /// Calls the row's functions `n` times.
    fn run(&mut self, n: u32);
    /// Calls a callback of this shape that does nothing.
    fn callback(&mut self, shape: Shape);
}

/// Makes one for a row, where an engine has bare functions.
pub type Make = fn(&Row) -> Box<dyn Bare>;

/// The bare engines. Native code has none: there it would be a plain call.
pub const BARE: &[(&str, Make)] = &[
    #[cfg(feature = "wasmtime")]
    ("wasmtime", |row| Box::new(wasmtime::Guest::new(row))),
    #[cfg(feature = "wasmer")]
    ("wasmer", |row| Box::new(wasmer::Guest::new(row))),
    #[cfg(feature = "wasmi")]
    ("wasmi", |row| Box::new(wasmi::Guest::new(row))),
    #[cfg(feature = "wamr")]
    ("wamr", |row| Box::new(wamr::Guest::new(row))),
];
