//! All of this crate's `unsafe`: what wasmer asks for, and what its safe functions are too slow for or can't do.
#![allow(unsafe_code)]

pub(crate) mod captured;
pub(crate) mod deadline;
pub(crate) mod memory;
pub(crate) mod precompiled;
pub(crate) mod tunables;
