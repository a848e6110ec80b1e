//! The engine: wasmtime's own, set up twice over if need be.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use enginebay_engine::{
    Clock, Compiler, EngineOptions, Error, ErrorKind, LoadRequest, Module, ModuleInfo, ResolvedLimits,
};
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::deadline::Deadline;
use crate::module::{self, WasmtimeModule};
use crate::{precompiled, prepare};

/// A wasmtime engine, and what keeps the time of its calls.
pub(crate) struct Strategy {
    pub(crate) engine: wasmtime::Engine,
    pub(crate) clock: Option<Arc<Clock<Deadline>>>,
}

struct WasmtimeEngine {
    compiler: Compiler,
    limits: ResolvedLimits,
    clock: Option<Arc<Clock<Deadline>>>,
    /// `None` where the machine doesn't have the address space.
    pooled: Option<Arc<Strategy>>,
    /// For modules that don't fit the pool; made when first needed.
    on_demand: OnceLock<Arc<Strategy>>,
}

/// wasmtime's own bound on the stack of a guest, which runs on the stack of the thread that calls it.
const MAX_STACK: usize = 2 << 20;

pub(crate) fn create(
    options: &EngineOptions,
    limits: ResolvedLimits,
) -> Result<Arc<dyn enginebay_engine::Engine>, Error> {
    if let Some(stack) = limits.stack.filter(|stack| *stack > MAX_STACK) {
        return Err(Error::new(
            ErrorKind::Unsupported,
            format!(
                "{} can't give a guest a stack of {stack} bytes: the largest is {MAX_STACK} bytes",
                crate::RUNTIME.name
            ),
        ));
    }
    let clock = limits.call_time.map(Clock::start).transpose()?.map(Arc::new);
    let mut config = config(options.compiler, &limits);
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool(options, &limits)));
    let pooled = wasmtime::Engine::new(&config).ok().map(|engine| {
        Arc::new(Strategy {
            engine,
            clock: clock.clone(),
        })
    });
    let engine = WasmtimeEngine {
        compiler: options.compiler,
        limits,
        clock,
        pooled,
        on_demand: OnceLock::new(),
    };
    if engine.pooled.is_none() {
        engine.on_demand()?;
    }
    Ok(Arc::new(engine))
}

fn config(compiler: Compiler, limits: &ResolvedLimits) -> Config {
    let mut config = Config::new();
    config.strategy(match compiler {
        Compiler::Baseline => wasmtime::Strategy::Winch,
        _ => wasmtime::Strategy::Cranelift,
    });
    // One 32-bit memory is what Proxy-Wasm knows, and what the memory limit speaks of. The deadline is in another one.
    config.wasm_multi_memory(limits.call_time.is_some());
    config.wasm_memory64(false);
    if let Some(stack) = limits.stack {
        config.max_wasm_stack(stack);
    }
    config
}

fn pool(options: &EngineOptions, limits: &ResolvedLimits) -> PoolingAllocationConfig {
    // Memories keep wasmtime's default reservation of 4 GiB each: with less, compiled code has to check
    // bounds, and the limit on what a guest may use is kept by the store's limiter anyway.
    let mut pool = PoolingAllocationConfig::new();
    let memories = 1 + u32::from(limits.call_time.is_some());
    pool.total_core_instances(options.max_instances)
        .max_memories_per_module(memories)
        .total_memories(options.max_instances.saturating_mul(memories))
        .total_tables(options.max_instances)
        .table_elements(limits.table_elements.unwrap_or(u32::MAX) as usize);
    pool
}

impl WasmtimeEngine {
    fn strategy(&self, info: &ModuleInfo) -> Result<&Arc<Strategy>, Error> {
        // A slot of the pool has one table.
        let fits = info.tables.len() <= 1;
        match &self.pooled {
            Some(pooled) if fits => Ok(pooled),
            _ => self.on_demand(),
        }
    }

    fn prepare<'a>(&self, code: &'a [u8], info: &ModuleInfo) -> Result<Cow<'a, [u8]>, Error> {
        prepare::prepare(code, info, self.limits.call_time.is_some())
    }

    fn on_demand(&self) -> Result<&Arc<Strategy>, Error> {
        if let Some(strategy) = self.on_demand.get() {
            return Ok(strategy);
        }
        let mut config = config(self.compiler, &self.limits);
        if self.pooled.is_none() {
            // A machine that can't reserve a pool may not have 4 GiB for one memory either. With less, compiled
            // code checks bounds, which makes it slower.
            config.memory_reservation(0);
            config.memory_reservation_for_growth(16 << 20);
            config.memory_guard_size(1 << 16);
            config.guard_before_linear_memory(false);
        }
        let engine = wasmtime::Engine::new(&config).map_err(|error| {
            Error::new(
                ErrorKind::Setup,
                format!("wasmtime can't be set up here: {error:#}"),
            )
        })?;
        Ok(self.on_demand.get_or_init(|| {
            Arc::new(Strategy {
                engine,
                clock: self.clock.clone(),
            })
        }))
    }
}

impl enginebay_engine::Engine for WasmtimeEngine {
    fn limits(&self) -> &ResolvedLimits {
        &self.limits
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        let strategy = self.strategy(info)?;
        let module = self.prepare(request.code, info)?;
        let module = wasmtime::Module::from_binary(&strategy.engine, &module)
            .map_err(|error| module::refused(&error))?;
        let module = WasmtimeModule::link(strategy, &module, request, info, &self.limits)?;
        Ok(Arc::new(module))
    }

    fn precompiled_key(&self) -> Option<String> {
        let usual = self.pooled.as_ref().or_else(|| self.on_demand.get())?;
        Some(precompiled::key(self.compiler, &usual.engine))
    }

    fn precompile(&self, code: &[u8], info: &ModuleInfo) -> Result<Vec<u8>, Error> {
        let engine = &self.strategy(info)?.engine;
        engine
            .precompile_module(&self.prepare(code, info)?)
            .map_err(|error| module::refused(&error))
    }

    fn deserialize(
        &self,
        compiled: &[u8],
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Result<Arc<dyn Module>, Error> {
        let strategy = self.strategy(info)?;
        let module = precompiled::load(&strategy.engine, compiled)?;
        let module = WasmtimeModule::link(strategy, &module, request, info, &self.limits)?;
        Ok(Arc::new(module))
    }
}
