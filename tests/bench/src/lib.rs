//! What the benchmarks measure: the same guests on a bare engine, through the engine boundary, and through the
//! whole host.
//!
//! `cargo xtask bench` runs the benchmarks and prints the ratios.

#![deny(unsafe_code)]

mod arena;
pub mod bare;
pub mod boundary;
pub mod figure;
#[cfg(feature = "wasmtime")]
pub mod floor;
pub mod guests;
pub mod memory;
mod messages;
#[cfg(feature = "null")]
mod native;
pub mod price;
pub mod stream;
