//! Compiled and linked modules.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay_engine::{
    AddedExports, Error, ErrorKind, Export, ExportId, Host, Instance, LoadRequest, Module, ModuleInfo,
    ResolvedLimits,
};
use wasmtime::{InstancePre, Linker, ModuleExport, PoolConcurrencyLimitError, Store};

use crate::engine::Strategy;
use crate::imports;
use crate::instance::{Data, Limiter, WasmtimeInstance};
use crate::trap;

/// What the host wants of a module, with its place in it: all look-ups by name are done.
pub(crate) struct Wanted {
    pub(crate) memory: Option<ModuleExport>,
    pub(crate) exports: Vec<(Export, Option<ModuleExport>)>,
    /// The start function.
    pub(crate) start: Option<ModuleExport>,
    /// Where the deadline is, and the limit, for the message of the trap that keeps it.
    pub(crate) time: Option<(ModuleExport, Duration)>,
}

/// A module, compiled and linked.
pub(crate) struct WasmtimeModule {
    strategy: Arc<Strategy>,
    pre: InstancePre<Data>,
    wanted: Arc<Wanted>,
    limiter: Limiter,
}

impl WasmtimeModule {
    pub(crate) fn link(
        strategy: &Arc<Strategy>,
        module: &wasmtime::Module,
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
        limits: &ResolvedLimits,
    ) -> Result<Self, Error> {
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
            .instantiate_pre(module)
            .map_err(|error| Error::new(ErrorKind::Compile, format!("{error:#}")))?;
        let place = |export: &Export| (*export, module.get_export_index(export.name));
        let added = AddedExports::to(info);
        Ok(WasmtimeModule {
            strategy: strategy.clone(),
            wanted: Arc::new(Wanted {
                memory: module.get_export_index("memory"),
                exports: request.exports.iter().map(place).collect(),
                start: module.get_export_index(&added.start),
                time: module.get_export_index(&added.deadline).zip(limits.call_time),
            }),
            pre,
            limiter: Limiter::new(limits),
        })
    }
}

/// The error for a module that wasmtime can't compile.
pub(crate) fn refused(error: &wasmtime::Error) -> Error {
    Error::new(
        ErrorKind::InvalidModule,
        format!("Failed to parse corrupted Wasm module: {error:#}"),
    )
}

impl Module for WasmtimeModule {
    fn has_export(&self, export: ExportId) -> bool {
        matches!(self.wanted.exports.get(usize::from(export.0)), Some((_, Some(_))))
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        let data = Data::new(host, self.limiter.clone(), self.wanted.clone());
        let mut store = Store::new(&self.strategy.engine, data);
        store.limiter(|data| &mut data.limiter);
        let instance = self.pre.instantiate(&mut store).map_err(instantiation_failed)?;
        Ok(Box::new(WasmtimeInstance::start(
            store,
            instance,
            self.strategy.clock.as_ref(),
        )?))
    }
}

fn instantiation_failed(error: wasmtime::Error) -> Error {
    if error.is::<PoolConcurrencyLimitError>() {
        return Error::new(
            ErrorKind::Instantiate,
            format!("{error}: drop some instances, or raise EngineOptions::max_instances"),
        );
    }
    if error.is::<wasmtime::Trap>() {
        return Error::start_trapped(trap::convert(error, None));
    }
    Error::new(ErrorKind::Instantiate, format!("{error:#}"))
}
