//! Engines by name, each made once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use enginebay_engine::{Engine, EngineOptions, Error, Registry};

use crate::compiling::{Compilation, Compiling};
use crate::programs::Programs;

/// The runtimes of a process, and one engine for each that is in use. Shared by all threads.
pub struct Engines {
    registry: Registry,
    options: EngineOptions,
    compiling: Compiling,
    made: Mutex<HashMap<&'static str, Arc<dyn Engine>>>,
    programs: Programs,
}

impl Engines {
    /// Engines of the linked runtimes, with default limits.
    ///
    /// # Errors
    /// When two linked crates claim one name.
    pub fn new() -> Result<Self, Error> {
        Ok(Engines::with(crate::registry()?, EngineOptions::default()))
    }

    /// Engines of these runtimes with these options.
    pub fn with(registry: Registry, options: EngineOptions) -> Self {
        Engines {
            registry,
            options,
            compiling: Compiling::default(),
            made: Mutex::new(HashMap::new()),
            programs: Programs::default(),
        }
    }

    /// The same engines, compiling in this way those modules that are loaded from now on.
    ///
    /// # Errors
    /// A directory for compiled code that others can write to.
    pub fn with_compilation(self, compilation: &Compilation) -> Result<Self, Error> {
        Ok(Engines {
            compiling: Compiling::new(compilation)?,
            made: Mutex::default(),
            ..self
        })
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// The runtimes there are.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The engine of the runtime with this name or alias. It is made when first asked for; asking by an alias
    /// then says so in the log.
    ///
    /// # Errors
    /// An unknown name, a limit that the runtime can't keep, or an engine that can't be set up here.
    pub fn get(&self, name: &str) -> Result<Arc<dyn Engine>, Error> {
        let found = self.registry.get(name)?;
        let runtime = found.runtime;
        // Nothing is left half done under this lock, so a panic elsewhere leaves it usable.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(engine) = made.get(runtime.name) {
            return Ok(engine.clone());
        }
        if found.by_alias {
            tracing::info!("{name} is served by {}", runtime.name);
        }
        let engine = self.compiling.engine(runtime, &self.options)?;
        made.insert(runtime.name, engine.clone());
        Ok(engine)
    }
}
