//! The engine boundary: what a WebAssembly engine has to do so that enginebay can run
//! Proxy-Wasm plugins on it, and the registry in which engines are found by name.
//!
//! The boundary knows nothing of Proxy-Wasm, HTTP or async. It speaks of
//!
//! * an [`Engine`], made by a [`Runtime`]'s factory from [`EngineOptions`] and shared by all threads;
//! * a [`Module`]: code compiled and linked once against a list of [`HostFunction`]s, shared by all threads;
//! * an [`Instance`]: one copy of a module with its own memory, which stays on the thread that made it;
//! * a [`Host`], the one object that answers an instance's host calls, by index and over raw 64-bit words;
//! * a [`Guest`], through which a host call reads and writes the guest's [`Memory`] and calls back into it.
//!
//! Everything that can be looked up is looked up at load: a host function is the index of its place in
//! [`LoadRequest::imports`], an export the index of its place in [`LoadRequest::exports`].
//!
//! # Adding an engine
//! Implement [`Engine`], [`Module`] and [`Instance`], and submit a [`Runtime`] with [`submit!`]
//! (or pass it to [`Registry::register`]). Host calls go through [`invoke`], which turns a panic into a trap.

#![forbid(unsafe_code)]

mod added;
mod capabilities;
mod clock;
mod engine;
mod error;
mod host;
mod limits;
mod link;
mod memory;
mod module_info;
mod precompiled;
mod registry;
mod signature;
mod trap;
mod word;

pub use added::AddedExports;
pub use capabilities::Capabilities;
pub use clock::{Clock, Deadline, Timer};
pub use engine::{Engine, Export, ExportId, HostFunction, Instance, LoadRequest, Module};
pub use error::{Error, ErrorKind};
pub use host::{Guest, Host, HostError, HostErrorKind, catch_panic, invoke};
pub use limits::{Compiler, EngineOptions, Limits, ResolvedLimits};
pub use memory::{ForeignMemory, Memory, OutOfBounds};
pub use module_info::{
    CustomSection, ExternKind, FuncType, ModuleExport, ModuleImport, ModuleInfo, SizeRange,
};
pub use precompiled::{PRECOMPILED_SECTION, Precompiled};
pub use registry::{Factory, Found, Registry, Runtime};
pub use signature::{Signature, ValType};
pub use trap::{Frame, Trap, TrapCode, TrapKind};
pub use word::Word;

#[doc(hidden)]
pub use inventory;

/// Registers a [`Runtime`] with every [`Registry::linked`] of the program that links the calling crate.
///
/// A crate that nothing refers to is dropped by the linker and registers nothing: say
/// `use the_crate as _;` somewhere in the program.
#[macro_export]
macro_rules! submit {
    ($runtime:expr) => {
        $crate::inventory::submit! { $runtime }
    };
}
