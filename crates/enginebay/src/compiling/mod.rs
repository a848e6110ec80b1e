//! How modules are compiled: whether what comes out is kept for the next start, and whether the wait for it is bridged.

mod kept;
mod tiers;

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use enginebay_engine::{
    Compiler, Engine, EngineOptions, Error, ErrorKind, LoadRequest, Module, ModuleInfo, ResolvedLimits,
    Runtime,
};

use kept::Kept;
use tiers::Later;

/// What [`Engines`](crate::Engines) do with what they compile. By default, nothing is kept and everything waits for the
/// compiler.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Compilation {
    /// A directory to keep compiled code in, made if it is not there: a module that was compiled once by the same version of
    /// the engine with the same settings is not compiled again. Several processes can share it. What is in it is run outside
    /// of any sandbox, so nobody else may be able to write to it. Engines that don't compile have nothing to keep. Default
    /// none.
    pub directory: Option<PathBuf>,
    /// Bytes that are kept there; what was not used for longest goes first. Default 1 GiB.
    pub directory_bytes: u64,
    /// Bytes of one module's compiled code that is kept. Default 256 MiB.
    pub module_bytes: u64,
    /// Start with code of the runtime's quick compiler ([`Compiler::Baseline`]), and compile again in the background; VMs that
    /// are made when that is done run the better code. Runtimes without a quick compiler, and modules that it can't compile,
    /// wait as ever. Default false.
    pub baseline_first: bool,
    /// How long the second compilation waits, so that the program can start meanwhile: compilers take all processors. Default
    /// half a second.
    pub better_after: Duration,
}

impl Default for Compilation {
    fn default() -> Self {
        Compilation {
            directory: None,
            directory_bytes: 1 << 30,
            module_bytes: 256 << 20,
            baseline_first: false,
            better_after: Duration::from_millis(500),
        }
    }
}

/// How the engines of a process compile.
#[derive(Default)]
pub(crate) struct Compiling {
    kept: Option<Arc<Kept>>,
    baseline_first: bool,
    better_after: Duration,
}

impl Compiling {
    /// # Errors
    /// A directory that is not to be trusted.
    pub(crate) fn new(options: &Compilation) -> Result<Self, Error> {
        Ok(Compiling {
            kept: Kept::new(options)?.map(Arc::new),
            baseline_first: options.baseline_first,
            better_after: options.better_after,
        })
    }

    /// An engine of this runtime.
    pub(crate) fn engine(
        &self,
        runtime: &Runtime,
        options: &EngineOptions,
    ) -> Result<Arc<dyn Engine>, Error> {
        let engine = runtime.create(options)?;
        let quick = (self.baseline_first
            && runtime.capabilities.baseline_compiler
            && options.compiler == Compiler::Default)
            .then(|| {
                let mut quick = *options;
                quick.compiler = Compiler::Baseline;
                Quick {
                    runtime: *runtime,
                    options: quick,
                    engine: OnceLock::new(),
                    better_after: self.better_after,
                }
            });
        if quick.is_none() && (self.kept.is_none() || engine.precompiled_key().is_none()) {
            return Ok(engine);
        }
        Ok(Arc::new(CompilingEngine {
            engine,
            quick,
            kept: self.kept.clone(),
        }))
    }
}

/// The same runtime with its quick compiler, set up when first needed.
struct Quick {
    runtime: Runtime,
    options: EngineOptions,
    engine: OnceLock<Arc<dyn Engine>>,
    better_after: Duration,
}

impl Quick {
    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        let engine = match self.engine.get() {
            Some(engine) => engine,
            None => {
                let engine = self.runtime.create(&self.options)?;
                self.engine.get_or_init(|| engine)
            }
        };
        engine.compile(request, info)
    }
}

/// An engine that looks for compiled code before it compiles.
struct CompilingEngine {
    engine: Arc<dyn Engine>,
    quick: Option<Quick>,
    kept: Option<Arc<Kept>>,
}

impl Engine for CompilingEngine {
    fn limits(&self) -> &ResolvedLimits {
        self.engine.limits()
    }

    fn native(&self) -> bool {
        self.engine.native()
    }

    fn inspect(&self, code: &[u8]) -> Result<ModuleInfo, Error> {
        self.engine.inspect(code)
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        let place = self.kept.as_ref().and_then(|kept| {
            let key = self.engine.precompiled_key()?;
            Some(kept::Place::new(kept.clone(), &key, request.code))
        });
        if let Some(place) = &place
            && let Some(module) = place.load(|code| self.engine.deserialize(code, request, info))
        {
            return Ok(module);
        }
        if let Some(quick) = &self.quick
            && let Ok(now) = quick.compile(request, info)
        {
            return Ok(Later::new(self.engine.clone(), place, request, info).bridge(now, quick.better_after));
        }
        compile(&*self.engine, place.as_ref(), request, info)
    }

    fn precompiled_key(&self) -> Option<String> {
        self.engine.precompiled_key()
    }

    fn precompile(&self, code: &[u8], info: &ModuleInfo) -> Result<Vec<u8>, Error> {
        self.engine.precompile(code, info)
    }

    fn deserialize(
        &self,
        precompiled: &[u8],
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Result<Arc<dyn Module>, Error> {
        self.engine.deserialize(precompiled, request, info)
    }
}

/// Compiles a module with the engine's usual compiler, and keeps the result if there is a place for it.
fn compile(
    engine: &dyn Engine,
    place: Option<&kept::Place>,
    request: &LoadRequest<'_>,
    info: &ModuleInfo,
) -> Result<Arc<dyn Module>, Error> {
    let Some(place) = place else {
        return engine.compile(request, info);
    };
    match engine.precompile(request.code, info) {
        Ok(compiled) => {
            let module = engine.deserialize(&compiled, request, info)?;
            place.store(&compiled);
            Ok(module)
        }
        // What can be compiled and not saved is an odd case that must work all the same.
        Err(error) if error.kind() == ErrorKind::Unsupported => engine.compile(request, info),
        Err(error) => Err(error),
    }
}
