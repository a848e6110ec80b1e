//! Plugins on TCP connections.

#[path = "../common/mod.rs"]
mod common;

mod bay;
mod ends;
mod failures;
mod loggers;
mod passing;
mod pausing;
