//! Compiled and linked modules.

use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{
    Error, ErrorKind, ExportId, Host, Instance, LoadRequest, Module, ResolvedLimits, Signature,
};
use wasmtime::{InstancePre, Linker, ModuleExport, PoolConcurrencyLimitError, Store};

use crate::engine::Strategy;
use crate::exports::Export;
use crate::imports;
use crate::instance::{Data, Limiter, WasmtimeInstance};
use crate::trap;

/// A module, with all its look-ups by name done.
pub(crate) struct WasmtimeModule {
    strategy: Arc<Strategy>,
    pre: InstancePre<Data>,
    memory: Option<ModuleExport>,
    exports: Vec<Option<(ModuleExport, Signature)>>,
    limiter: Limiter,
}

impl WasmtimeModule {
    pub(crate) fn compile(
        strategy: &Arc<Strategy>,
        request: &LoadRequest<'_>,
        limits: &ResolvedLimits,
    ) -> Result<Self, Error> {
        let module = wasmtime::Module::from_binary(&strategy.engine, request.code).map_err(|error| {
            Error::new(
                ErrorKind::InvalidModule,
                format!("Failed to parse corrupted Wasm module: {error:#}"),
            )
        })?;
        let mut linker = Linker::new(&strategy.engine);
        for (index, function) in request.imports.iter().enumerate() {
            let imported = module
                .imports()
                .any(|import| import.module() == function.module && import.name() == function.name);
            if imported {
                imports::link(&mut linker, index, function)?;
            }
        }
        let pre = linker
            .instantiate_pre(&module)
            .map_err(|error| Error::new(ErrorKind::Compile, format!("{error:#}")))?;
        let exports = request
            .exports
            .iter()
            .map(|export| Some((module.get_export_index(export.name)?, export.signature)))
            .collect();
        Ok(WasmtimeModule {
            strategy: strategy.clone(),
            memory: module.get_export_index("memory"),
            exports,
            pre,
            limiter: Limiter::new(limits),
        })
    }
}

impl Module for WasmtimeModule {
    fn has_export(&self, export: ExportId) -> bool {
        self.exports
            .get(usize::from(export.0))
            .is_some_and(|export| export.is_some())
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        let mut store = Store::new(&self.strategy.engine, Data::new(host, self.limiter.clone()));
        store.limiter(|data| &mut data.limiter);
        let deadline = self.strategy.ticker.as_ref().map(|ticker| ticker.deadline);
        if let Some(deadline) = deadline {
            store.set_epoch_deadline(deadline);
        }
        let instance = self.pre.instantiate(&mut store).map_err(instantiation_failed)?;

        let mut exports = Vec::with_capacity(self.exports.len());
        for export in &self.exports {
            let function = export.as_ref().and_then(|(index, signature)| {
                let function = instance.get_module_export(&mut store, index)?.into_func()?;
                Some((function, *signature))
            });
            exports.push(match function {
                Some((function, signature)) => Some(Export::new(&mut store, function, signature)?),
                None => None,
            });
        }
        let memory = self
            .memory
            .as_ref()
            .and_then(|index| instance.get_module_export(&mut store, index)?.into_memory());
        Ok(Box::new(WasmtimeInstance::new(
            store,
            memory,
            exports.into(),
            deadline,
        )))
    }
}

fn instantiation_failed(error: wasmtime::Error) -> Error {
    if error.is::<PoolConcurrencyLimitError>() {
        return Error::new(
            ErrorKind::Instantiate,
            format!("{error}: drop some instances, or raise EngineOptions::max_instances"),
        );
    }
    if error.is::<wasmtime::Trap>() || error.is::<enginebay_engine::HostError>() {
        return Error::start_trapped(trap::convert(error));
    }
    Error::new(ErrorKind::Instantiate, format!("{error:#}"))
}
