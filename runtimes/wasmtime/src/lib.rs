//! The [wasmtime](https://wasmtime.dev) engine for enginebay: `envoy.wasm.runtime.wasmtime`.
//!
//! Modules are compiled by Cranelift, or with [`Compiler::Baseline`](enginebay_engine::Compiler::Baseline) by Winch, and
//! linked once; instances come from a pool of pre-reserved slots,
//! initialised copy-on-write, where the machine has the address space for it, and are made on demand where it
//! has not. A guest runs on the stack of the thread that calls it, of which it may have 2 MiB at most.
//!
//! A call's time limit is kept by its code, which looks at a deadline of its instance at the start of each function and of each
//! round of a loop. One thread per engine marks the deadlines that have passed; a call that comes upon the mark ends, late by at
//! most a twentieth of the limit, but no less than 1 ms and no more than 25 ms. Neither a host function nor one bulk memory
//! instruction is interrupted. A start function is a call like any other. The deadline is in a memory of its own, which takes
//! one page of memory and 4 GiB of address space, and does not count against the memory limit.

#![deny(unsafe_code)]

mod deadline;
mod engine;
mod exports;
mod host_ref;
mod imports;
mod instance;
mod module;
mod precompiled;
mod prepare;
mod trap;
mod view;

use enginebay_engine::{Capabilities, Runtime};

const ENGINE: &str = "wasmtime 48 (Cranelift)";

/// The runtime, as the registry knows it.
pub const RUNTIME: Runtime = Runtime {
    name: "envoy.wasm.runtime.wasmtime",
    aliases: &[],
    engine: ENGINE,
    capabilities: Capabilities::WASM
        .with_limits(true, true, true, true)
        .with_backtrace_names(true)
        .with_baseline_compiler(true)
        .with_precompiled(true)
        .with_simd(true)
        // Winch has it where the processor has AVX.
        .with_baseline_simd(cfg!(target_arch = "x86_64")),
    factory: engine::create,
};

enginebay_engine::submit!(RUNTIME);
