//! A plugin's code, ready to make VMs from.

use std::collections::HashSet;
use std::sync::Arc;

use enginebay_abi::{AbiVersion, AllowedCapabilities, Callback, HostFunction, Integration, functions};
use enginebay_engine::{Engine, Export, ExportId, LoadRequest, Module, ModuleImport, Precompiled};

use crate::{FailState, Failure};

/// A plugin's code: checked, compiled and linked. Shared by all threads.
pub struct Program {
    pub(crate) module: Arc<dyn Module>,
    abi: AbiVersion,
    pub(crate) exports: Exports,
    /// The function behind each import number.
    pub(crate) imports: Vec<Import>,
    /// Those of them that the module has, all for native code, which lists none; without those that are denied.
    called: HashSet<HostFunction>,
    precompiled: Precompiled,
}

/// How a plugin's code is loaded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct LoadOptions {
    /// Use compiled code that the module carries, if it fits the engine. It is run as it is, outside of any sandbox:
    /// only for modules from a source that is trusted (Envoy's `allow_precompiled`).
    pub allow_precompiled: bool,
    /// What the plugin may call and be called for (Envoy's `capability_restriction_config`). A function that is denied is
    /// there, says so in the log and returns `INTERNAL_FAILURE`, or `NOTCAPABLE` in WASI; a callback that is denied is as
    /// one that the plugin doesn't have.
    pub capabilities: AllowedCapabilities,
}

/// A function that the module can import.
#[derive(Clone, Copy)]
pub(crate) struct Import {
    pub(crate) function: HostFunction,
    pub(crate) allowed: bool,
}

impl LoadOptions {
    /// Sets [`LoadOptions::allow_precompiled`].
    #[must_use]
    pub fn with_precompiled(mut self, allowed: bool) -> Self {
        self.allow_precompiled = allowed;
        self
    }

    /// Sets [`LoadOptions::capabilities`].
    #[must_use]
    pub fn with_capabilities(mut self, allowed: AllowedCapabilities) -> Self {
        self.capabilities = allowed;
        self
    }
}

/// Which of the exports that a host calls the module has, and as what number.
pub(crate) struct Exports {
    callbacks: [Option<ExportId>; Callback::COUNT],
    integration: [Option<ExportId>; Integration::COUNT],
    pub(crate) allocator: ExportId,
}

impl Exports {
    #[inline]
    pub(crate) fn callback(&self, callback: Callback) -> Option<ExportId> {
        self.callbacks[callback.index()]
    }

    pub(crate) fn integration(&self, integration: Integration) -> Option<ExportId> {
        self.integration[integration.index()]
    }
}

impl Program {
    /// No more functions than this can be imported: a power of two, with room for those there are.
    pub(crate) const MAX_IMPORTS: usize = 256;

    /// Loads a plugin. What compiled code it carries is not looked at.
    ///
    /// # Errors
    /// [`FailState::UnableToInitializeCode`] for code that is no valid module, names no ABI version that this
    /// host knows, imports what the host doesn't offer, has an import or export of the wrong type, or exceeds
    /// its limits from the start; [`FailState::MissingFunction`] for a module without an allocator.
    pub fn load(engine: &dyn Engine, code: &[u8]) -> Result<Program, Failure> {
        Program::load_with(engine, code, LoadOptions::default())
    }

    /// Loads a plugin.
    ///
    /// # Errors
    /// As [`Program::load`].
    pub fn load_with(engine: &dyn Engine, code: &[u8], options: LoadOptions) -> Result<Program, Failure> {
        let from_engine = |error| Failure::from_engine(&error);
        let info = engine.inspect(code).map_err(from_engine)?;
        let abi = abi_version(info.exports.iter().map(|export| export.name.as_str()))?;

        let mut imports = Vec::new();
        let mut called = HashSet::new();
        let mut host_functions = Vec::new();
        for def in functions::functions_of(abi) {
            let function = def.function;
            let allowed = options.capabilities.function(function);
            for module in def.namespace.modules() {
                imports.push(Import { function, allowed });
                let imported = |import: &ModuleImport| import.module == *module && import.name == def.name;
                if allowed && (engine.native() || info.imports.iter().any(imported)) {
                    called.insert(function);
                }
                host_functions.push(enginebay_engine::HostFunction {
                    module,
                    name: def.name,
                    signature: def.signature,
                });
            }
        }

        let mut wanted = Vec::new();
        let mut number = |name, signature| {
            let id = ExportId(wanted.len() as u16);
            wanted.push(Export { name, signature });
            id
        };
        let callbacks: Vec<_> = Callback::ALL
            .iter()
            .map(|callback| {
                let signature = callback.signature(abi)?;
                let allowed = options.capabilities.callback(*callback);
                allowed.then(|| number(callback.name(), signature))
            })
            .collect();
        let integration: Vec<_> = Integration::ALL
            .iter()
            .map(|export| Some(number(export.name(), export.signature(abi)?)))
            .collect();

        let request = LoadRequest::new(code, &host_functions, &wanted);
        let (module, precompiled) = match options.allow_precompiled {
            true => engine.load_precompiled(&request, &info),
            false => engine
                .load_inspected(&request, &info)
                .map(|module| (module, Precompiled::Absent)),
        }
        .map_err(from_engine)?;

        let present = |ids: &[Option<ExportId>], index: usize| ids[index].filter(|id| module.has_export(*id));
        let integration: [_; Integration::COUNT] = std::array::from_fn(|index| present(&integration, index));
        let allocator = integration[Integration::ProxyOnMemoryAllocate.index()]
            .or(integration[Integration::Malloc.index()])
            .ok_or_else(|| {
                Failure::new(
                    FailState::MissingFunction,
                    "Wasm module is missing malloc function: it exports neither proxy_on_memory_allocate nor malloc",
                )
            })?;
        let exports = Exports {
            callbacks: std::array::from_fn(|index| present(&callbacks, index)),
            integration,
            allocator,
        };
        Ok(Program {
            module,
            abi,
            exports,
            imports,
            called,
            precompiled,
        })
    }

    /// Grows when VMs that are made from now on run better code than those that were made before.
    pub fn generation(&self) -> u32 {
        self.module.generation()
    }

    /// What became of the compiled code that the module carries. The embedder should log a warning where it was
    /// ignored.
    pub fn precompiled(&self) -> &Precompiled {
        &self.precompiled
    }

    /// The ABI version the plugin was built for.
    pub fn abi_version(&self) -> AbiVersion {
        self.abi
    }

    /// Whether the plugin exports this callback and may be called for it. A VM that is asked to call one that is not there
    /// does nothing.
    #[inline]
    pub fn has_callback(&self, callback: Callback) -> bool {
        self.exports.callback(callback).is_some()
    }

    /// Whether the plugin can call this function: a WebAssembly module imports it, native code can call all; and it is not
    /// denied.
    pub fn can_call(&self, function: HostFunction) -> bool {
        self.called.contains(&function)
    }
}

fn abi_version<'a>(exports: impl Iterator<Item = &'a str>) -> Result<AbiVersion, Failure> {
    let markers: Vec<&str> = exports
        .filter(|name| name.starts_with(AbiVersion::MARKER_PREFIX))
        .collect();
    let newest = markers
        .iter()
        .filter_map(|name| AbiVersion::from_marker(name))
        .max();
    newest.ok_or_else(|| {
        let found = match markers.as_slice() {
            [] => format!("it exports no {}* marker", AbiVersion::MARKER_PREFIX),
            markers => format!("it exports {}", markers.join(", ")),
        };
        Failure::new(
            FailState::UnableToInitializeCode,
            format!(
                "Missing or unknown Proxy-Wasm ABI version: {found}, and this host knows {}",
                AbiVersion::ALL
                    .iter()
                    .map(|v| v.as_str())
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        )
    })
}

// One number for each name a function can be imported by.
const _: () = assert!(HostFunction::COUNT * 2 <= Program::MAX_IMPORTS);
