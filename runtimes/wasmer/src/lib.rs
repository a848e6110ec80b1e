//! The [wasmer](https://wasmer.io) engine for enginebay: `envoy.wasm.runtime.wasmer`.
//!
//! Modules are compiled by Cranelift. With the cargo feature `singlepass`, [`Compiler::Baseline`] is wasmer's one-pass
//! compiler, which compiles about ten times as fast to code that runs half as fast, and doesn't know vector
//! instructions.
//! `envoy.wasm.runtime.v8` is served by this runtime.
//!
//! The crate registers [`RUNTIME`]: name it with `use enginebay_runtime_wasmer as _;`, or pass it to
//! [`Registry::register`](enginebay_engine::Registry::register).
//!
//! # Limits
//! * Memory and tables: growth beyond the limit is refused, and the guest goes on.
//! * Time: compiled code looks at a deadline of its instance at the start of each function and of each round of
//!   a loop. One thread per engine advances the time, and marks the deadlines that have passed; a call that comes upon the
//!   mark ends. It is late by at most a twentieth of the limit, but no less than 1 ms and no
//!   more than 25 ms. Neither a host function nor one bulk
//!   memory instruction is interrupted: the call ends after it. A start function is a call like any other.
//! * Stack: each call into the guest runs on a stack of its own, of the size of the limit, between 8 KiB and 100 MiB. A call
//!   that a host function makes back into the guest gets another one, and at most 32 calls may nest. wasmer
//!   keeps used stacks for the whole process and looks only that they are large enough. In a process whose
//!   engines have different stack limits, a thread lets go of the stacks that wasmer keeps when it goes over from one
//!   limit to another; even so a nested call, or one that takes a stack which another thread gives back in that moment, may
//!   find a stack of the larger size.
//!
//! # Process-wide state
//! wasmer handles `SIGSEGV`, `SIGILL`, `SIGFPE` (and `SIGBUS` on some systems) and passes on what is not its own to
//! the handlers that were there before.

#![deny(unsafe_code)]

mod compiler;
mod deadline_checks;
mod engine;
mod exports;
mod imports;
mod instance;
mod module;
mod stacks;
mod state;
mod sys;
mod trap;
mod word;

#[cfg(doc)]
use enginebay_engine::Compiler;
use enginebay_engine::{Capabilities, Runtime};

/// The runtime, as the registry knows it.
pub const RUNTIME: Runtime = Runtime {
    name: "envoy.wasm.runtime.wasmer",
    // V8 has no backend of its own here: configurations that name it run on this one.
    aliases: &["envoy.wasm.runtime.v8"],
    engine: "wasmer 7.3.0 (Cranelift)",
    capabilities: Capabilities::WASM
        .with_limits(true, true, true, true)
        .with_backtrace_names(true)
        .with_precompiled(true)
        .with_simd(true)
        .with_baseline_compiler(cfg!(feature = "singlepass")),
    factory: engine::create,
};

enginebay_engine::submit!(RUNTIME);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_shown_is_the_version_linked() {
        let lock = include_str!("../../../Cargo.lock");
        let (name, rest) = RUNTIME.engine.split_once(' ').unwrap();
        let (version, _) = rest.split_once(" (").unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "{} is not in Cargo.lock", RUNTIME.engine);
    }

    #[test]
    fn linking_the_crate_registers_the_runtime() {
        let registry = enginebay_engine::Registry::linked().unwrap();
        let found = registry.get("envoy.wasm.runtime.v8").unwrap();
        assert!(found.by_alias);
        assert_eq!(found.runtime.name, RUNTIME.name);
    }
}
