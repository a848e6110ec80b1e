//! The engine: finds plugins.

use std::sync::Arc;

use enginebay_engine::{
    Engine, Error, ErrorKind, ExternKind, FuncType, LoadRequest, Module, ModuleExport, ModuleInfo,
    ResolvedLimits, Signature,
};

use crate::entry_points::{ENTRY_POINTS, EntryPoint};
use crate::module::{NullModule, Program};
use crate::panic;
use crate::source::Source;

/// The marker of the ABI that plugins in the program speak.
const MARKER: &str = "proxy_abi_version_0_2_1";

pub(crate) struct NullEngine {
    limits: ResolvedLimits,
}

impl NullEngine {
    pub(crate) fn new(limits: ResolvedLimits) -> Result<Self, Error> {
        if cfg!(not(all(target_pointer_width = "64", target_endian = "little"))) {
            return Err(Error::new(
                ErrorKind::Setup,
                "native plugins need a 64-bit little-endian machine",
            ));
        }
        panic::install()?;
        Ok(NullEngine { limits })
    }
}

impl Engine for NullEngine {
    fn limits(&self) -> &ResolvedLimits {
        &self.limits
    }

    fn native(&self) -> bool {
        true
    }

    fn inspect(&self, code: &[u8]) -> Result<ModuleInfo, Error> {
        let source = Source::find(code)?;
        let mut info = ModuleInfo::default();
        info.exports = ENTRY_POINTS
            .iter()
            .filter(|entry| source.has(entry))
            .map(|entry| export(entry.name, entry.signature))
            .collect();
        info.exports.push(export(
            source.marker().unwrap_or(MARKER),
            Signature::new(&[], None),
        ));
        Ok(info)
    }

    fn compile(&self, request: &LoadRequest<'_>, _info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        let source = Source::find(request.code)?;
        Ok(Arc::new(NullModule(Arc::new(Program::new(source, request)?))))
    }
}

fn export(name: &str, signature: Signature) -> ModuleExport {
    ModuleExport {
        name: name.to_owned(),
        kind: ExternKind::Function(FuncType::from(signature)),
    }
}

/// The entry point of this name.
pub(crate) fn entry_point(name: &str) -> Option<&'static EntryPoint> {
    ENTRY_POINTS.iter().find(|entry| entry.name == name)
}
