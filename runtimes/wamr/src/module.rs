//! Modules: validated, rewritten and loaded once, instantiated often.

use std::ffi::CString;
use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{
    Error, ErrorKind, ExportId, ExternKind, Host, HostFunction, Instance, LoadRequest, Module, ModuleInfo,
    ResolvedLimits,
};
use wasmparser::{Validator, WasmFeatures};

use crate::export::Wanted;
use crate::instance::WamrInstance;
use crate::rewrite;
use crate::sys::{Import, RawModule};
use crate::watchdog::Watchdog;

/// What WAMR can be trusted with. It knows two more: tail calls, but one of an import ends the process, and extended
/// constant expressions, but it evaluates them by recursion, which a deep one ends in the same way.
const FEATURES: WasmFeatures = WasmFeatures::MUTABLE_GLOBAL
    .union(WasmFeatures::SATURATING_FLOAT_TO_INT)
    .union(WasmFeatures::SIGN_EXTENSION)
    .union(WasmFeatures::REFERENCE_TYPES)
    .union(WasmFeatures::MULTI_VALUE)
    .union(WasmFeatures::BULK_MEMORY)
    .union(WasmFeatures::FLOATS)
    .union(WasmFeatures::GC_TYPES);

pub(crate) struct WamrModule {
    pub(crate) raw: Arc<RawModule>,
    pub(crate) wanted: Arc<[Wanted]>,
    /// The names by which WAMR knows the wanted exports, with that of the start function behind them.
    pub(crate) names: Box<[Option<CString>]>,
    pub(crate) has_start: bool,
    /// Whether the module exports its memory.
    pub(crate) has_memory: bool,
    /// Bytes of the interpreter's stack.
    pub(crate) stack: u32,
    pub(crate) watchdog: Option<Arc<Watchdog>>,
}

impl WamrModule {
    pub(crate) fn load(
        limits: &ResolvedLimits,
        watchdog: Option<Arc<Watchdog>>,
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Result<Self, Error> {
        // WAMR's loader is not made for broken modules.
        Validator::new_with_features(FEATURES)
            .validate_all(request.code)
            .map_err(|error| corrupted(&error))?;
        let code = rewrite::rewrite(request.code, limits).map_err(|error| corrupted(&error))?;
        let raw = RawModule::load(code, &imported(request.imports, info)).map_err(|message| {
            Error::new(
                ErrorKind::Compile,
                format!("WAMR can't load the module: {message}"),
            )
        })?;
        let wanted_names = request.exports.iter().map(|export| {
            let position = info.exports.iter().position(|exported| {
                exported.name == export.name && matches!(exported.kind, ExternKind::Function(_))
            })?;
            Some(rewrite::export_name(position))
        });
        let start = info.has_start.then(rewrite::start_name);
        Ok(WamrModule {
            raw: Arc::new(raw),
            wanted: request.exports.iter().copied().map(Wanted::new).collect(),
            names: wanted_names.chain(std::iter::once(start)).collect(),
            has_start: info.has_start,
            has_memory: info
                .export("memory")
                .is_some_and(|export| export.kind == ExternKind::Memory),
            stack: limits.stack.map_or(u32::MAX >> 4, |bytes| {
                u32::try_from(bytes).unwrap_or(u32::MAX).min(u32::MAX >> 4)
            }),
            watchdog,
        })
    }
}

fn corrupted(error: &wasmparser::BinaryReaderError) -> Error {
    Error::new(
        ErrorKind::InvalidModule,
        format!("Failed to parse corrupted Wasm module: {error}"),
    )
}

/// The functions that the module imports, each once, as the boundary's checks found them.
fn imported<'a>(offered: &'a [HostFunction], info: &ModuleInfo) -> Vec<Import<'a>> {
    let same = |a: &HostFunction, b: &HostFunction| a.name == b.name && a.module == b.module;
    let mut imports = Vec::new();
    for (index, function) in offered.iter().enumerate() {
        let imported = info
            .imports
            .iter()
            .any(|import| import.name == function.name && import.module == function.module);
        let first = !offered.iter().take(index).any(|other| same(other, function));
        if imported && first {
            imports.push(Import {
                module: function.module,
                name: function.name,
                index,
                params: function.signature.params.len(),
            });
        }
    }
    imports
}

impl Module for WamrModule {
    fn has_export(&self, export: ExportId) -> bool {
        let index = usize::from(export.0);
        index < self.wanted.len() && matches!(self.names.get(index), Some(Some(_)))
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        Ok(Box::new(WamrInstance::new(self, host)?))
    }
}
