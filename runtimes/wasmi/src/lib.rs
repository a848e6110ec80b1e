//! The wasmi engine for enginebay: an interpreter that loads a module in milliseconds and needs no
//! executable memory.
//!
//! The crate registers [`RUNTIME`]: name it with `use enginebay_runtime_wasmi as _;`, or pass it to
//! [`Registry::register`](enginebay_engine::Registry::register).
//!
//! # Limits
//! * Memory and tables: growth beyond the limit is refused, and the guest goes on.
//! * Time: the guest runs on fuel, given in portions of about a millisecond's worth, less for short limits. When a
//!   portion is used up, or after 256 host calls, the call is paused, the clock is looked at, and the call goes
//!   on or ends. The clock starts at the first look, so that short calls never pay for it: a call may take one
//!   portion longer than its limit. Neither one instruction nor one host function is interrupted. A module's start
//!   function can't be paused, and gets a fixed amount of fuel for each microsecond of the limit, which lasts for
//!   a third of the limit to all of it on current machines. A call that runs out of fuel in the instruction `table.grow` ends
//!   there, as wasmi can't pause it.
//! * Stack: the limit is the size of the stack of values, where a function needs 8 bytes (16 for a vector)
//!   for each parameter, local and temporary. Records of calls are kept beside it, 32 bytes each, and never
//!   take more than the limit again: 512 KiB allow 16,384 nested calls. A call that a host function makes back
//!   into the guest starts a new stack, and at most 32 of them may nest.

//!
//! # Build profiles
//! wasmi relies on the compiler to turn its instructions' calls of each other into jumps. With `opt-level` 2 or 3 and
//! `debug-assertions` on, it doesn't, and any loop in a guest overflows the machine's stack and ends the process. A
//! profile that optimises dependencies of debug builds needs this beside it:
//!
//! ```toml
//! [profile.dev.package.wasmi]
//! debug-assertions = false
//! ```

#![forbid(unsafe_code)]

mod call;
mod clock;
mod engine;
mod export;
mod host_function;
mod instance;
mod limiter;
mod module;
mod selects;
mod state;
mod trap;
mod word;

use std::sync::Arc;

use enginebay_engine::{Capabilities, Engine, Runtime};

/// The runtime, for explicit registration.
pub const RUNTIME: Runtime = Runtime {
    name: "envoy.wasm.runtime.wasmi",
    // WAVM has no backend of its own here: configurations that name it run on this one.
    aliases: &["envoy.wasm.runtime.wavm"],
    engine: "wasmi 2.0.0",
    capabilities: Capabilities::WASM
        .with_limits(true, true, true, true)
        .with_simd(true),
    factory: |_, limits| Ok(Arc::new(engine::WasmiEngine::new(limits)) as Arc<dyn Engine>),
};

enginebay_engine::submit! { RUNTIME }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_shown_is_the_version_linked() {
        let lock = include_str!("../../../Cargo.lock");
        let (name, version) = RUNTIME.engine.split_once(' ').unwrap();
        let entry = format!("name = \"{name}\"\nversion = \"{version}\"\n");
        assert!(lock.contains(&entry), "{} is not in Cargo.lock", RUNTIME.engine);
    }

    #[test]
    fn linking_the_crate_registers_the_runtime() {
        let registry = enginebay_engine::Registry::linked().unwrap();
        let found = registry.get("envoy.wasm.runtime.wavm").unwrap();
        assert!(found.by_alias);
        assert_eq!(found.runtime.name, RUNTIME.name);
    }
}
