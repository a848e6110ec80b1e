//! Does what a [`Script`](script::Script) in the VM's configuration says, and reports what it sees in log messages.
//!
//! It is written without an SDK, and the same source is compiled for WebAssembly and for the machine: what a host
//! answers can be compared between the two. The conformance suite makes the scripts.
//!
//! # Reports
//! Log messages at level critical. `@c` and eight hexadecimal digits: a callback was called for the first time. `@s` and
//! digits: what a host function returned. `@p` and digits: a parameter. `@m` and bytes in hexadecimal: memory. `@x`: what
//! was to be in the plugin's memory is not.
#![deny(unsafe_code)]

#[macro_use]
mod functions;
#[macro_use]
mod callbacks;
#[cfg(feature = "plugin")]
mod plugin;
pub mod script;

pub use callbacks::CALLBACKS;
pub use functions::FUNCTIONS;
#[cfg(feature = "plugin")]
pub use plugin::exports;
