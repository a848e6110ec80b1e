//! The host machine on every linked engine, with guests in WebAssembly text.

mod fixture;

mod access_log;
mod allocator;
mod bounds;
mod buffers;
mod callouts;
mod capabilities;
mod contexts;
mod failures;
mod foreign;
mod headers;
mod legacy;
mod lifecycle;
mod loading;
mod logging;
mod metadata;
mod metrics;
mod pointers;
mod properties;
mod shared_data;
mod shared_queues;
mod streams;
mod tcp;
mod timers;
mod wasi;

// Linked for their registrations.
use enginebay_runtime_wasmi as _;
use enginebay_runtime_wasmtime as _;
