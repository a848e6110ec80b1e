//! The engines that are compared.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use enginebay::engine::{Engine, Runtime};
use enginebay::host::Program;
use enginebay::{EngineOptions, Limits};

use crate::guest::{FLAVORS, module};
use crate::layout::MOST_PAGES;
use crate::probe::Probe;

/// A runtime, with an engine of it that notes what it does.
pub struct Subject {
    name: &'static str,
    engine: Arc<dyn Engine>,
    programs: Mutex<HashMap<usize, Arc<Program>>>,
}

impl Subject {
    /// Sets up a runtime.
    ///
    /// # Errors
    /// It is one of native plugins, can't bound a guest's memory (where growth ends is part of what is compared), or
    /// can't be set up here.
    pub fn new(runtime: &Runtime) -> Result<Self> {
        let capabilities = &runtime.capabilities;
        if capabilities.word_size != 4 || !capabilities.memory_limit || !capabilities.table_limit {
            bail!(
                "{} can't be compared: it takes WebAssembly, and limits on memory and tables",
                runtime.name
            );
        }
        let limits = Limits {
            memory: Some(u64::from(MOST_PAGES) * 65_536),
            table_elements: Some(1000),
            // All guests end by themselves: what meets this hangs, and is found so on its own.
            call_time: capabilities.time_limit.then_some(Duration::from_secs(60)),
            // How much stack a function takes is the engine's own business, so guests, whose calls are bounded otherwise,
            // have more than any of them needs.
            stack: capabilities.stack_limit.then_some(1 << 20),
        };
        let mut options = EngineOptions::with_limits(limits);
        options.max_instances = 64;
        let engine = runtime
            .create(&options)
            .with_context(|| runtime.name.to_owned())?;
        Ok(Subject {
            name: runtime.name,
            engine: Arc::new(Probe(engine)),
            programs: Mutex::default(),
        })
    }

    /// The runtime's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The engine, which notes what it does.
    pub(crate) fn engine(&self) -> &dyn Engine {
        &*self.engine
    }

    /// The guest of this flavor, compiled when first asked for.
    pub(crate) fn program(&self, flavor: usize) -> Result<Arc<Program>, String> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(&flavor) {
            return Ok(program.clone());
        }
        let described = FLAVORS.get(flavor).ok_or("there is no such guest")?;
        let code = wat::parse_str(module(*described)).map_err(|error| error.to_string())?;
        let program = Program::load(&*self.engine, &code).map_err(|failure| failure.to_string())?;
        let program = Arc::new(program);
        programs.insert(flavor, program.clone());
        Ok(program)
    }
}
