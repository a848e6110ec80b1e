//! The real server on loopback, and a real HTTP client.

#![forbid(unsafe_code)]

mod bounds;
mod client;
mod config;
mod failing_plugins;
mod pausing;
mod requests;
mod server;
mod starting;
mod stopping;
mod upstream;
