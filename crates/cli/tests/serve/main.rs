//! The real server on loopback, and a real HTTP client.

#![forbid(unsafe_code)]
#![cfg(any(feature = "wamr", feature = "wasmer", feature = "wasmi", feature = "wasmtime"))]

mod background;
mod bounds;
mod client;
mod config;
mod failing_plugins;
mod pausing;
mod requests;
#[path = "../common/runtimes.rs"]
mod runtimes;
mod server;
mod starting;
mod stopping;
mod tls;
mod upstream;
