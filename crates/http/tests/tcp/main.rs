//! Plugins on TCP connections.

#[path = "../common/mod.rs"]
mod common;

mod bay;
mod ends;
mod failures;
mod passing;
mod pausing;
