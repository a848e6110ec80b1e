//! The Proxy-Wasm machine: what is between an engine and a proxy.
//!
//! A [`Program`] is a plugin's code, compiled and linked, shared by all threads. A [`Vm`] is one copy of it with
//! its own memory, which stays on the thread that made it and runs any number of plugins (root contexts) and
//! streams. The embedder drives it with the specification's callbacks and supplies everything that is not
//! Proxy-Wasm itself: a [`Platform`] (log, clocks, randomness, limits, what VMs share, foreign functions) and, through it,
//! [`Callouts`] for each VM, and a [`StreamState`] (headers, bodies, properties, filter state) for each stream. Ticks and
//! queues are the embedder's to call for: [`Vm::on_tick`], [`Vm::deliver`].
//!
//! The crate does no I/O, never blocks and starts no threads. It runs on any engine behind
//! [`enginebay_engine`].

#![forbid(unsafe_code)]

mod body;
mod callouts;
mod contexts;
mod failure;
mod foreign;
mod headers;
mod hostcalls;
mod joined;
mod limits;
mod log_budget;
mod meter;
mod platform;
mod program;
mod shared;
mod state;
mod stream;
mod vm;

pub use body::Body;
pub use callouts::{CalloutError, CalloutId, Callouts, GrpcTarget, HttpCall, HttpCallResponse};
pub use enginebay_abi as abi;
pub use enginebay_engine as engine;
pub use failure::{FailState, Failure};
pub use foreign::{ForeignCall, ForeignData, ForeignFunction, ForeignFunctions, ForeignHost};
pub use headers::{HeaderError, HeaderLimits, HeaderMap};
pub use limits::VmLimits;
pub use meter::Work;
pub use platform::{LogRecord, Platform};
pub use program::{LoadOptions, Program};
pub use shared::{Metric, MetricValue, Metrics, Shared, SharedLimits, Waker};
pub use state::{PluginConfig, VmConfig};
pub use stream::{LifeSpan, LocalResponse, PropertyDeclaration, StreamState};
pub use vm::{ContextId, Vm};
