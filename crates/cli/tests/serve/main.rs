//! The real server on loopback, and a real HTTP client.

#![forbid(unsafe_code)]
#![cfg(any(feature = "wamr", feature = "wasmer", feature = "wasmi", feature = "wasmtime"))]

mod access_log;
mod background;
mod bounds;
mod callouts;
mod capabilities;
mod client;
mod compiled;
mod config;
#[path = "../../src/serve/discovery/tests/control_plane.rs"]
#[expect(dead_code, reason = "the tests of discovery alone use more of it")]
mod control_plane;
mod discovered;
mod discovered_tcp;
mod ecds;
mod failing_plugins;
mod foreign;
mod grpc_server;
mod guests;
mod images;
mod messages;
#[cfg(feature = "cel")]
mod parity;
mod pausing;
mod plane_process;
#[path = "../common/prometheus.rs"]
mod prometheus;
mod properties;
mod reconfiguring;
mod reload;
mod remote_code;
mod remote_retries;
mod requests;
mod runtime_names;
#[path = "../common/runtimes.rs"]
mod runtimes;
mod server;
mod services;
mod shared;
mod sinks;
mod soak;
mod starting;
mod stats;
mod stopping;
mod swaps;
mod tcp;
mod tls;
mod upstream;
