//! The engine: wasmi's configuration.

use std::sync::Arc;

use enginebay_engine::{Engine, Error, LoadRequest, Module, ModuleInfo, ResolvedLimits};
use wasmi::{CompilationMode, Config};

use crate::module::WasmiModule;

pub(crate) struct WasmiEngine {
    engine: wasmi::Engine,
    limits: ResolvedLimits,
}

impl WasmiEngine {
    pub(crate) fn new(limits: ResolvedLimits) -> Self {
        WasmiEngine {
            engine: wasmi::Engine::new(&config(&limits)),
            limits,
        }
    }
}

impl Engine for WasmiEngine {
    fn limits(&self) -> &ResolvedLimits {
        &self.limits
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        Ok(Arc::new(WasmiModule::compile(
            &self.engine,
            self.limits,
            request,
            info,
        )?))
    }
}

/// What wasmi keeps for each call of a guest function that waits for another one.
const FRAME_BYTES: usize = 32;

/// Stacks kept for reuse over all threads, so that nested calls and calls on several threads find one.
const CACHED_STACKS: usize = 64;

fn config(limits: &ResolvedLimits) -> Config {
    let mut config = Config::default();
    config
        // Lazy translation would load a module of 1.3 MB in less than the 20 ms this takes, but it makes the first
        // requests pay, takes its fuel from the call that comes across a function first, can't be
        // paused where that fuel runs out, and finds what it can't translate when it is too late.
        .compilation_mode(CompilationMode::Eager)
        .consume_fuel(limits.call_time.is_some())
        // The memory limit is for the one memory that Proxy-Wasm knows of.
        .wasm_multi_memory(false)
        // Read by the boundary, not through wasmi.
        .ignore_custom_sections(true)
        .set_max_cached_stacks(CACHED_STACKS);
    if let Some(bytes) = limits.stack {
        config
            // The default minimum may be above a small limit, which wasmi refuses with a panic.
            .set_min_stack_height(bytes.min(4096))
            .set_max_stack_height(bytes)
            .set_max_recursion_depth(bytes / FRAME_BYTES);
    }
    config
}
