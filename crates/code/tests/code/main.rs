//! Code from real servers on loopback, which fail in every way.

mod cache;
mod clusters;
mod directory;
mod images;
mod oci;
mod process;
mod property;
mod registry;
mod remote;
mod server;
mod setup;
