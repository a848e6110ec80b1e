//! Guests, loaded once for all checks of a runtime: compiling them takes longer than running them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use enginebay::engine::{Engine, Runtime};
use enginebay::host::Program;
use enginebay::{EngineOptions, Failure, Limits};
use libtest_mimic::Failed;

use crate::Code;

/// One engine of a runtime, and what was loaded on it.
pub(crate) struct Loader {
    runtime: Runtime,
    call_time: Duration,
    engine: OnceLock<Result<Arc<dyn Engine>, String>>,
    programs: Mutex<HashMap<Vec<u8>, Arc<Program>>>,
}

impl Loader {
    /// On an engine whose guests may run for so long, if it can limit that.
    pub(crate) fn new(runtime: Runtime, call_time: Duration) -> Self {
        Loader {
            runtime,
            call_time,
            engine: OnceLock::new(),
            programs: Mutex::default(),
        }
    }

    /// The engine.
    ///
    /// # Errors
    /// It can't be made.
    pub(crate) fn engine(&self) -> Result<&dyn Engine, Failed> {
        let engine = self.engine.get_or_init(|| {
            let time_limit = self.runtime.capabilities.time_limit;
            let mut options = EngineOptions::with_limits(Limits {
                call_time: time_limit.then_some(self.call_time),
                ..Limits::default()
            });
            // Checks may run side by side, with two VMs each.
            options.max_instances = 64;
            self.runtime.create(&options).map_err(|error| error.to_string())
        });
        Ok(&**engine.as_ref().map_err(Failed::from)?)
    }

    /// A plugin.
    ///
    /// # Errors
    /// Outside, the code can't be read; inside, it can't be loaded.
    pub(crate) fn program(&self, code: &Code) -> Result<Result<Arc<Program>, Failure>, Failed> {
        let engine = self.engine()?;
        let code = code.read(engine)?;
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(program) = programs.get(&code) {
            return Ok(Ok(program.clone()));
        }
        Ok(Program::load(engine, &code).map(|program| {
            let program = Arc::new(program);
            programs.insert(code, program.clone());
            program
        }))
    }
}
