//! The engine: settings, and the clock that all its instances share.

use std::sync::Arc;

use enginebay_engine::{
    AddedExports, Clock, Compiler, EngineOptions, Error, ErrorKind, LoadRequest, Module, ModuleInfo,
    ResolvedLimits,
};
use wasmer::sys::vm::MAX_STACK_SIZE;

use crate::deadline_checks::Preparation;
use crate::module::WasmerModule;
use crate::sys::deadline::Deadline;
use crate::{RUNTIME, compiler, module, stacks, sys};

struct WasmerEngine {
    compiler: Compiler,
    limits: ResolvedLimits,
    clock: Option<Arc<Clock<Deadline>>>,
}

pub(crate) fn create(
    options: &EngineOptions,
    limits: ResolvedLimits,
) -> Result<Arc<dyn enginebay_engine::Engine>, Error> {
    if let Some(stack) = limits.stack {
        if stack > MAX_STACK_SIZE {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{} can't give a guest a stack of {stack} bytes: the largest is {MAX_STACK_SIZE} bytes",
                    RUNTIME.name
                ),
            ));
        }
        stacks::announce(stack);
    }
    let clock = limits.call_time.map(Clock::start).transpose()?.map(Arc::new);
    Ok(Arc::new(WasmerEngine {
        compiler: options.compiler,
        limits,
        clock,
    }))
}

impl WasmerEngine {
    /// A wasmer engine for this one module.
    fn engine_for(&self, info: &ModuleInfo) -> wasmer::Engine {
        let preparation = Preparation::new(AddedExports::to(info), self.limits.call_time.is_some());
        compiler::engine(self.compiler, &self.limits, preparation)
    }

    fn link(
        &self,
        module: wasmer::Module,
        engine: wasmer::Engine,
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Arc<dyn Module> {
        Arc::new(WasmerModule::link(
            module,
            engine,
            request,
            info,
            self.clock.clone(),
            self.limits.stack,
        ))
    }
}

impl enginebay_engine::Engine for WasmerEngine {
    fn limits(&self) -> &ResolvedLimits {
        &self.limits
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        let engine = self.engine_for(info);
        let module = module::compile(&engine, request.code)?;
        Ok(self.link(module, engine, request, info))
    }

    fn precompiled_key(&self) -> Option<String> {
        Some(compiler::key(self.compiler, self.limits.call_time.is_some()))
    }

    fn precompile(&self, code: &[u8], info: &ModuleInfo) -> Result<Vec<u8>, Error> {
        let module = module::compile(&self.engine_for(info), code)?;
        let bytes = module.serialize().map_err(|error| {
            Error::new(
                ErrorKind::Compile,
                format!("wasmer can't save the compiled code: {error}"),
            )
        })?;
        Ok(bytes.into())
    }

    fn deserialize(
        &self,
        precompiled: &[u8],
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Result<Arc<dyn Module>, Error> {
        let engine = self.engine_for(info);
        let module = sys::precompiled::deserialize(&engine, precompiled)?;
        Ok(self.link(module, engine, request, info))
    }
}
