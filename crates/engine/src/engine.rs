//! The traits an engine implements.

use std::rc::Rc;
use std::sync::Arc;

use crate::{
    Error, ErrorKind, Guest, Host, ModuleInfo, Precompiled, ResolvedLimits, Signature, link, precompiled,
};

/// A function that the host offers to guests.
///
/// Its place in [`LoadRequest::imports`] is the number by which [`Host::call`] is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostFunction {
    /// The module name of the import, for example `env`.
    pub module: &'static str,
    /// The name of the import.
    pub name: &'static str,
    /// Its signature in WebAssembly; a native engine widens pointers and sizes to 8 bytes.
    pub signature: Signature,
}

/// A function that the host may call, if the guest exports it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Export {
    /// The name of the export.
    pub name: &'static str,
    /// Its signature in WebAssembly.
    pub signature: Signature,
}

/// The place of an [`Export`] in [`LoadRequest::exports`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ExportId(pub u16);

impl std::fmt::Display for ExportId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "number {}", self.0)
    }
}

/// What [`load`](trait.Engine.html#method.load) makes a module from.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LoadRequest<'a> {
    /// The WebAssembly binary; for a runtime of native plugins, the name of the plugin.
    pub code: &'a [u8],
    /// The functions the host offers. What the module imports beyond them is an error.
    pub imports: &'a [HostFunction],
    /// The functions the host may call. What the module doesn't export is left out.
    pub exports: &'a [Export],
}

impl<'a> LoadRequest<'a> {
    /// A request to load this code and link it against these functions.
    pub fn new(code: &'a [u8], imports: &'a [HostFunction], exports: &'a [Export]) -> Self {
        LoadRequest {
            code,
            imports,
            exports,
        }
    }
}

/// An engine: the code and settings shared by all modules, on all threads.
///
/// An implementation writes [`Engine::limits`] and [`Engine::compile`], and the three `precompiled` methods
/// if it has [`Capabilities::precompiled`](crate::Capabilities::precompiled); callers use [`Engine::inspect`] and
/// [`load`](#method.load).
pub trait Engine: Send + Sync {
    /// The limits every instance of this engine keeps.
    fn limits(&self) -> &ResolvedLimits;

    /// Whether [`LoadRequest::code`] is the name or the path of a native plugin instead of a WebAssembly binary.
    fn native(&self) -> bool {
        false
    }

    /// Reads what a module imports, exports and asks for, without compiling it.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidModule`](crate::ErrorKind::InvalidModule).
    fn inspect(&self, code: &[u8]) -> Result<ModuleInfo, Error> {
        ModuleInfo::parse(code)
    }

    /// Compiles and links a module. Its imports, exports and declared sizes were checked already, so that
    /// every engine refuses the same modules with the same words; use [`load`](#method.load) to get here.
    ///
    /// # Errors
    /// What the engine itself can't accept.
    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error>;

    /// All that compiled code depends on besides the module: the engine, its exact version, the target, and the
    /// settings that change the code, in one line. Compiled code is used only where this is the same text.
    /// `None` for an engine that has no compiled form to save.
    fn precompiled_key(&self) -> Option<String> {
        None
    }

    /// Compiles a module to the form that [`Engine::deserialize`] takes.
    ///
    /// # Errors
    /// As [`Engine::compile`]; [`ErrorKind::Unsupported`] where there is no such form.
    fn precompile(&self, code: &[u8], info: &ModuleInfo) -> Result<Vec<u8>, Error> {
        let _ = (code, info);
        Err(unsupported())
    }

    /// As [`Engine::compile`], from what [`Engine::precompile`] of an engine with the same
    /// [`Engine::precompiled_key`] made of the same module. The bytes come from a source the embedder trusts: they
    /// are run as they are, outside of any sandbox.
    ///
    /// # Errors
    /// When the engine does not take them: the module is compiled instead.
    fn deserialize(
        &self,
        precompiled: &[u8],
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Result<Arc<dyn Module>, Error> {
        let _ = (precompiled, request, info);
        Err(unsupported())
    }
}

fn unsupported() -> Error {
    Error::new(
        ErrorKind::Unsupported,
        "this runtime has no compiled form of modules that could be saved",
    )
}

impl<'e> dyn Engine + 'e {
    /// Checks, compiles and links a module.
    ///
    /// # Errors
    /// `InvalidModule`, `MissingImport`, `SignatureMismatch`, `LimitExceeded`, or what the engine says
    /// when it compiles.
    pub fn load(&self, request: &LoadRequest<'_>) -> Result<Arc<dyn Module>, Error> {
        let info = self.inspect(request.code)?;
        self.load_inspected(request, &info)
    }

    /// As [`load`](#method.load), with what [`Engine::inspect`] said about the same code.
    ///
    /// # Errors
    /// As [`load`](#method.load).
    pub fn load_inspected(
        &self,
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Result<Arc<dyn Module>, Error> {
        link::check(info, request, self.limits())?;
        self.compile(request, info)
    }

    /// As [`load_inspected`](#method.load_inspected), from the compiled code that the module carries if this engine can
    /// use it. What was compiled is run as it is, outside of any sandbox: this is for modules from a source that the
    /// embedder trusts (Envoy's `allow_precompiled`).
    ///
    /// # Errors
    /// As [`load`](#method.load). Compiled code that can't be used is no error.
    pub fn load_precompiled(
        &self,
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Result<(Arc<dyn Module>, Precompiled), Error> {
        link::check(info, request, self.limits())?;
        let outcome = match precompiled::find(request.code, self.precompiled_key().as_deref()) {
            Ok(compiled) => match self.deserialize(compiled, request, info) {
                Ok(module) => return Ok((module, Precompiled::Used)),
                Err(error) => Precompiled::Ignored(error.to_string()),
            },
            Err(outcome) => outcome,
        };
        Ok((self.compile(request, info)?, outcome))
    }

    /// Compiles a module and returns it with the compiled code in a custom section, for
    /// [`load_precompiled`](#method.load_precompiled). Sections of other engines stay.
    ///
    /// # Errors
    /// As [`load`](#method.load); [`ErrorKind::Unsupported`] where there is no compiled form to save.
    pub fn precompile_into(&self, code: &[u8]) -> Result<Vec<u8>, Error> {
        let key = self.precompiled_key().ok_or_else(unsupported)?;
        let info = self.inspect(code)?;
        precompiled::attach(code, &key, &self.precompile(code, &info)?)
    }
}

/// A module that is compiled and linked: what is left to do is to make instances.
pub trait Module: Send + Sync {
    /// Whether the module has this export.
    fn has_export(&self, export: ExportId) -> bool;

    /// Whether instances on one thread share state that the host doesn't see, as native plugins do that link one SDK:
    /// numbers that a guest gets from its host must then be unique on the thread, not only in the instance.
    fn shares_thread_state(&self) -> bool {
        false
    }

    /// Grows when instances that are made from now on run better code than those that were made before: for modules that are
    /// compiled once more while they are in use.
    fn generation(&self) -> u32 {
        0
    }

    /// Makes an instance with a memory of its own, whose host calls go to `host`, and runs the module's
    /// start function if it has one.
    ///
    /// # Errors
    /// [`ErrorKind::Instantiate`](crate::ErrorKind::Instantiate), with the trap if there was one.
    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error>;
}

/// One copy of a module. It stays on the thread that made it.
pub trait Instance: Guest {
    /// Bytes of linear memory the instance has now; 0 where that means nothing.
    fn memory_size(&mut self) -> u64 {
        self.memory().len() as u64
    }
}
