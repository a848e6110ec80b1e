//! Run Proxy-Wasm plugins on the engine of your choice.
//!
//! [`Engines`] finds runtimes by the names that Envoy's `extensions.wasm.v3` configuration uses;
//! [`Plugin`] is a configured plugin, loaded and shared by all threads; [`Plugin::start`] gives a thread a VM of
//! its own, in which streams run. What a plugin sees of a stream is the embedder's [`StreamState`].
//!
//! # Cargo features
//! `null`, `wasmtime` and `wasmi` (all three on by default), `wasmer` and `wamr` link these runtimes in; `all-runtimes`
//! links every one. `wasmer-singlepass` adds wasmer's baseline compiler. `null-dylib` lets the null runtime open plugins in
//! shared libraries. `cel` (on by default too) lets plugins have expressions ([`foreign`]). To build `wamr` takes cmake and
//! libclang, to build the others nothing but Rust and a C compiler.

#![forbid(unsafe_code)]

mod code;
mod compiling;
mod engines;
mod platform;
mod plugin;
mod programs;
mod runtimes;

pub use enginebay_abi as abi;
pub use enginebay_config as config;
pub use enginebay_engine as engine;
pub use enginebay_foreign as foreign;
pub use enginebay_host as host;
#[cfg(feature = "null")]
pub use enginebay_runtime_null as null;

pub use code::{native_code, read_code};
pub use compiling::Compilation;
pub use enginebay_engine::{EngineOptions, Limits, Registry};
pub use enginebay_host::{
    Body, ContextId, FailState, Failure, ForeignCall, ForeignFunction, ForeignFunctions, HeaderMap, LifeSpan,
    LocalResponse, LogRecord, Platform, PluginConfig, PropertyDeclaration, StreamState, Vm, VmConfig,
};
pub use engines::Engines;
pub use platform::StdPlatform;
pub use plugin::{Absent, BackOff, FailurePolicy, Plugin, Running, VmKey};
pub use runtimes::{registry, with_runtimes};

/// The README's example is compiled with the tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
