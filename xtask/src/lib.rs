//! The tasks behind `cargo xtask`, as a library so that tests can use what they check with.
//!
//! A new task is a module with `Args` (a [`clap::Args`]) and `run`, and a variant in `main.rs`.
#![forbid(unsafe_code)]

pub mod abi;
pub mod bench;
pub mod conformance;
pub mod differential;
pub mod enlarge;
pub mod features;
pub mod fuzz;
pub mod guard;
pub mod guests;
pub mod mutations;
pub mod needs;
pub mod parity;
mod process;
pub mod soak;
pub mod test;
pub mod workspace;
