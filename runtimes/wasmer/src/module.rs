//! Modules: compiled and linked once, instantiated often.

use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{
    AddedExports, Clock, Error, ErrorKind, Export, ExportId, Host, HostFunction, Instance, LoadRequest,
    Module, ModuleInfo,
};
use wasmer::{CompileError, Engine};

use crate::instance::WasmerInstance;
use crate::sys::deadline::Deadline;

pub(crate) struct WasmerModule {
    // Before the engine, which owns the code that the module describes.
    pub(crate) module: wasmer::Module,
    pub(crate) engine: Engine,
    /// The module's imports in its own order, by their numbers in the request.
    pub(crate) imports: Box<[(usize, HostFunction)]>,
    pub(crate) wanted: Arc<[Export]>,
    exported: Box<[bool]>,
    pub(crate) added: AddedExports,
    pub(crate) clock: Option<Arc<Clock<Deadline>>>,
    pub(crate) stack: Option<usize>,
}

/// Compiles a module.
pub(crate) fn compile(engine: &Engine, code: &[u8]) -> Result<wasmer::Module, Error> {
    wasmer::Module::from_binary(engine, code).map_err(|error| match error {
        CompileError::Wasm(_) | CompileError::Validate(_) => Error::new(
            ErrorKind::InvalidModule,
            format!("Failed to parse corrupted Wasm module: {error}"),
        ),
        _ => Error::new(
            ErrorKind::Compile,
            format!("wasmer can't compile the module: {error}"),
        ),
    })
}

impl WasmerModule {
    pub(crate) fn link(
        module: wasmer::Module,
        engine: Engine,
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
        clock: Option<Arc<Clock<Deadline>>>,
        stack: Option<usize>,
    ) -> Self {
        // What the host doesn't offer was refused before.
        let offered = |module: &str, name: &str| {
            let mut offers = request.imports.iter().enumerate();
            offers.find_map(|(number, offer)| {
                (offer.module == module && offer.name == name).then_some((number, *offer))
            })
        };
        WasmerModule {
            imports: info
                .imports
                .iter()
                .filter_map(|import| offered(&import.module, &import.name))
                .collect(),
            wanted: request.exports.into(),
            exported: request
                .exports
                .iter()
                .map(|export| info.export(export.name).is_some())
                .collect(),
            added: AddedExports::to(info),
            module,
            engine,
            clock,
            stack,
        }
    }
}

impl Module for WasmerModule {
    fn has_export(&self, export: ExportId) -> bool {
        self.exported.get(usize::from(export.0)).copied().unwrap_or(false)
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(WasmerInstance::new(self, host)?))
    }
}
