//! Modules: translated and linked once, instantiated often.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{
    Error, ErrorKind, Export, ExportId, Host, Instance, LoadRequest, Module, ModuleInfo, ResolvedLimits,
};
use wasmi::Linker;

use crate::instance::WasmiInstance;
use crate::state::State;
use crate::{host_function, selects};

pub(crate) struct WasmiModule {
    pub(crate) module: wasmi::Module,
    /// Holds the host functions that the module imports, and no others.
    pub(crate) linker: Linker<State>,
    pub(crate) limits: ResolvedLimits,
    pub(crate) wanted: Arc<[Export]>,
    exported: Box<[bool]>,
}

impl WasmiModule {
    pub(crate) fn compile(
        engine: &wasmi::Engine,
        limits: ResolvedLimits,
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Result<Self, Error> {
        let module = translate(engine, &selects::separate(request.code))?;
        let mut linker = Linker::new(engine);
        for (index, function) in request.imports.iter().enumerate() {
            let imported = |import: &enginebay_engine::ModuleImport| {
                import.module == function.module && import.name == function.name
            };
            if info.imports.iter().any(imported) {
                host_function::define(&mut linker, index, function)
                    .map_err(|error| Error::new(ErrorKind::Compile, error.to_string()))?;
            }
        }
        Ok(WasmiModule {
            module,
            linker,
            limits,
            wanted: request.exports.into(),
            exported: request
                .exports
                .iter()
                .map(|export| info.export(export.name).is_some())
                .collect(),
        })
    }
}

/// wasmi's translator gives up on some modules that no compiler writes with a panic. Nothing of it is seen afterwards: a
/// module that failed to translate is gone.
fn translate(engine: &wasmi::Engine, code: &[u8]) -> Result<wasmi::Module, Error> {
    let translated = catch_unwind(AssertUnwindSafe(|| wasmi::Module::new(engine, code)));
    match translated {
        Ok(module) => module.map_err(|error| refused(&error)),
        Err(_) => Err(Error::new(
            ErrorKind::Compile,
            "wasmi can't compile the module: its translator panicked",
        )),
    }
}

fn refused(error: &wasmi::Error) -> Error {
    use wasmi::errors::ErrorKind as Kind;
    match error.kind() {
        Kind::Wasm(_) | Kind::Read(_) => Error::new(
            ErrorKind::InvalidModule,
            format!("Failed to parse corrupted Wasm module: {error}"),
        ),
        _ => Error::new(
            ErrorKind::Compile,
            format!("wasmi can't compile the module: {error}"),
        ),
    }
}

impl Module for WasmiModule {
    fn has_export(&self, export: ExportId) -> bool {
        self.exported.get(usize::from(export.0)).copied().unwrap_or(false)
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(WasmiInstance::new(self, host)?))
    }
}
