//! The [WAMR](https://github.com/bytecodealliance/wasm-micro-runtime) engine for enginebay: a small interpreter
//! in C, which loads a module in milliseconds and needs no executable memory.
//!
//! The crate registers [`RUNTIME`]: name it with `use enginebay_runtime_wamr as _;`, or pass it to
//! [`Registry::register`](enginebay_engine::Registry::register). Building it takes `cmake` and `libclang`.
//!
//! # Modules
//! A module is validated before WAMR sees it, against these features: bulk memory, reference types, multiple values,
//! sign extension, saturating conversion and mutable globals. SIMD, threads, 64-bit and multiple memories and exceptions
//! are not among them. Neither are two that WAMR has, because a guest could end the process with them: tail calls (it
//! reads through a null pointer after the tail call of an import) and extended constant expressions (it
//! evaluates them by recursion, however deep they are).
//!
//! WAMR gives a meaning of its own to some exports: it runs `__wasm_call_ctors`, it splits the stack that it finds
//! with the help of `__heap_base` and `__data_end` between threads that nobody starts, and it cuts off memory
//! behind `__heap_base`. It also leaves out a start function that is an import. So it is given a copy of the module
//! in which functions are exported under other names, and nothing else is, and the start function is called
//! like any other.
//!
//! # Limits
//! * Memory and tables: growth beyond the limit is refused, and the guest goes on. WAMR itself grows a table to
//!   1,024 elements or twice its initial size at most, whichever is more.
//! * Time: a thread for each engine looks at the clock ten times in each limit, every 1 to 10 ms, and stops calls that
//!   are over it at their next branch or call. Neither one instruction nor one host function is interrupted.
//! * Stack: the limit is the size of the interpreter's stack, which holds each function's parameters, locals,
//!   temporaries and constants, and about 40 bytes more. It is allocated with the instance, and a call that a host
//!   function makes back into the guest shares it. At most 32 calls may run one inside the other.
//!
//! # Traps
//! Traps have no backtrace: WAMR collects one only when it is built to print every trap to standard output as well.
//!
//! # What is known to be wrong
//! Of some 42,000 modules made by `wasm-smith`, about nine computed something else on WAMR 2.4.3 than on wasmi and wasmtime.
//! No module that a compiler wrote is known to be concerned.
//!
//! # Machines
//! On x86-64, WAMR sets the register GS with an instruction of its own if the machine that it is built on can. Such a
//! build needs the same of the machine it runs on: a processor with `fsgsbase` (since 2012) and Linux 5.9 or newer.
//!
//! # Other users of WAMR
//! WAMR's list of host functions is one for the process and has no lock. This crate takes one of its own
//! around every load and leaves the list as it found it. A program that uses WAMR beside this crate must not register
//! host functions or load modules while this crate loads one.

#![deny(unsafe_code)]

mod call;
mod engine;
mod export;
mod instance;
mod module;
mod rewrite;
mod sys;
mod trap;
mod watchdog;

use enginebay_engine::{Capabilities, Runtime};

/// The runtime, for explicit registration.
pub const RUNTIME: Runtime = Runtime {
    name: "envoy.wasm.runtime.wamr",
    aliases: &[],
    engine: "WAMR 2.4.3 (fast interpreter)",
    capabilities: Capabilities::WASM.with_limits(true, true, true, true),
    factory: engine::create,
};

enginebay_engine::submit! { RUNTIME }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_shown_is_the_version_linked() {
        let (major, minor, patch) = sys::version();
        assert_eq!(
            RUNTIME.engine,
            format!("WAMR {major}.{minor}.{patch} (fast interpreter)")
        );
    }

    #[test]
    fn linking_the_crate_registers_the_runtime() {
        let registry = enginebay_engine::Registry::linked().unwrap();
        assert!(registry.find(RUNTIME.name).is_some());
    }
}
