//! Native plugins for enginebay: the source of a Proxy-Wasm plugin, compiled for the machine instead of for WebAssembly.
//!
//! There is no sandbox and no limit: a native plugin is part of the process, and is trusted with it. What it has in
//! common with one in WebAssembly is the interface, and that a panic in it is a trap, which ends its VM and nothing else.
//!
//! The crate registers [`RUNTIME`]: name it with `use enginebay_runtime_null as _;`, or pass it to
//! [`Registry::register`](enginebay_engine::Registry::register). What an engine of it loads is the *name* of a plugin.
//!
//! # Three kinds of plugins
//! * **A crate written with the SDK `proxy-wasm` 0.2**, unmodified, linked into the program. One line registers it, with
//!   the function that sets its contexts, which is what `proxy_wasm::main!` wraps:
//!
//!   ```ignore
//!   enginebay_runtime_null::sdk_plugin!("add_header", add_header::start);
//!   ```
//! * **A Rust type** that implements [`NativePlugin`]: no SDK, no C, typed callbacks and host functions. See
//!   [`mod@native`], and [`native_plugin!`].
//! * **A shared library** (feature `dylib`, on Unix), named by its path: a `cdylib` made from a crate written with the
//!   SDK, or one in C. It exports one of the markers `proxy_abi_version_0_2_0` and `proxy_abi_version_0_2_1`, an
//!   allocator, and callbacks.
//!
//! [`NullPlugin::table`] takes C functions that are linked in some other way.
//!
//! # Plugins that share the SDK
//! The SDK keeps the contexts of a thread in one place, for all plugins that use the same copy of it: those linked into
//! the program share one, and each shared library has its own.
//! * Context numbers must be unique on the thread: [`Module::shares_thread_state`](enginebay_engine::Module) says so.
//! * Before a plugin makes a context, its start function runs again if another plugin's ran last on the thread. It should
//!   do no more than set contexts and the log level. The level is one for all of them: the last one set.
//! * Linked plugins that call `set_http_context` or `set_stream_context` can't share a thread with others: the SDK can't
//!   unset them, and takes them for every plugin's. Build those as shared libraries.
//! * The contexts of a VM that failed stay in the SDK until the thread ends, since nothing but a callback removes them.
//! * `set_log_level` makes the SDK the logger of the process, and panics if there is another one: such a plugin fails to
//!   start in a program that uses the crate `log` with a logger of its own. Build it as a shared library. What host code
//!   logs through the SDK's logger is dropped.
//!
//! # Panics
//! An engine puts a panic hook in front of the program's when the first one is made, and again after a plugin was
//! started, as the SDK replaces it: set the program's own hook before. The SDK does so once in the life of the process; for
//! the moment between, a panic of another plugin on another thread would end the process. A panic in a plugin is not printed, but logged by
//! the host's `proxy_log` at level critical; the hook of the program hears of all others. For plugins with C functions
//! this takes Unix, x86-64, AArch64 or 64-bit RISC-V, and `panic = "unwind"`; elsewhere their panics end the process, as C
//! functions in Rust do. How it works, and what it leaks, is written at the top of `src/panic/mod.rs`.
//!
//! A shared library has a standard library and a panic hook of its own. A panic in it is a trap if the plugin called the
//! SDK's `set_log_level`, whose hook logs panics; standard error says "thread caused non-unwinding panic. aborting."
//! then, though nothing aborts. For that, a handler of SIGABRT is put in front of the program's when the first library is
//! loaded. Without the SDK's hook, a panic in a library ends the process. Build libraries to unwind: with
//! `panic = "abort"` a panic fails its VM too, but the SDK's contexts on the thread stay borrowed, and other VMs of the
//! library trap there.
//!
//! What ends the process in any case: a stack overflow, memory errors, `abort`, and running out of memory.
//!
//! # Host functions
//! They are C symbols, `proxy_log` and so on, on native pointers; a program that links this crate can have no others of
//! these names. A shared library finds them only in a program that exports them: link it with `-rdynamic`, with or
//! without link-time optimisation.
//!
//! A call from a thread where no plugin runs gets the status "internal failure" (10), and "ok" for `proxy_log`. A status that the
//! SDK's `enum` doesn't have becomes 10 too, for plugins with the SDK and for libraries: "unimplemented" (12) is one of
//! them. When a host function fails so that the VM can't go on, it and all later ones of the same call return 10, and the
//! call traps when the plugin returns from it or panics.
//!
//! Plugins run on the stack of the thread that calls them.

#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "finds the running call through a pointer")]
mod active;
#[allow(unsafe_code, reason = "says which call is active")]
mod call;
#[cfg(all(unix, feature = "dylib"))]
#[allow(unsafe_code, reason = "loads libraries")]
mod dylib;
mod engine;
#[allow(unsafe_code, reason = "calls C functions")]
mod entry_points;
#[allow(unsafe_code, reason = "has C symbols")]
mod host_functions;
#[allow(unsafe_code, reason = "calls C functions")]
mod instance;
#[allow(unsafe_code, reason = "reads and writes where a plugin says")]
mod memory;
mod module;
pub mod native;
#[allow(unsafe_code, reason = "ends calls from within the panic hook")]
mod panic;
#[allow(unsafe_code, reason = "takes tables of C functions")]
mod plugin;
mod sdk;
mod source;
mod started;
mod status;
mod word;

use std::sync::Arc;

use enginebay_engine::{Capabilities, Engine, Runtime};

pub use entry_points::EntryPoints;
pub use native::NativePlugin;
pub use plugin::{NullPlugin, plugin_names, register};

#[doc(hidden)]
pub use enginebay_engine::inventory;

/// The runtime, for explicit registration.
pub const RUNTIME: Runtime = Runtime {
    name: "envoy.wasm.runtime.null",
    aliases: &[],
    engine: "native code",
    capabilities: Capabilities::NATIVE,
    factory: |_, limits| Ok(Arc::new(engine::NullEngine::new(limits)?) as Arc<dyn Engine>),
};

enginebay_engine::submit! { RUNTIME }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linking_the_crate_registers_the_runtime() {
        let registry = enginebay_engine::Registry::linked().unwrap();
        let found = registry.get("envoy.wasm.runtime.null").unwrap();
        assert!(!found.by_alias);
        assert_eq!(found.runtime.capabilities, Capabilities::NATIVE);
    }

    #[test]
    fn limits_are_refused() {
        let mut options = enginebay_engine::EngineOptions::default();
        options.limits.memory = Some(1 << 20);
        assert!(RUNTIME.create(&options).is_err());
    }
}
