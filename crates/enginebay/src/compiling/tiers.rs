//! Modules that are there at once, and better later.

use std::rc::Rc;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use enginebay_engine::{
    Engine, Error, Export, ExportId, Host, HostFunction, Instance, LoadRequest, Module, ModuleInfo,
};

use super::kept::Place;

/// One at a time: they have all the time they need, and the processors are for others.
static COMPILING: Mutex<()> = Mutex::new(());

/// A module that is to be compiled in the background.
pub(super) struct Later {
    engine: Arc<dyn Engine>,
    place: Option<Place>,
    code: Vec<u8>,
    imports: Vec<HostFunction>,
    exports: Vec<Export>,
    info: ModuleInfo,
}

impl Later {
    pub(super) fn new(
        engine: Arc<dyn Engine>,
        place: Option<Place>,
        request: &LoadRequest<'_>,
        info: &ModuleInfo,
    ) -> Self {
        Later {
            engine,
            place,
            code: request.code.to_vec(),
            imports: request.imports.to_vec(),
            exports: request.exports.to_vec(),
            info: info.clone(),
        }
    }

    /// `now` until the better code is there.
    pub(super) fn bridge(self, now: Arc<dyn Module>, wait: Duration) -> Arc<dyn Module> {
        let better = Arc::new(OnceLock::new());
        let module = Arc::new(TieredModule {
            now,
            better: better.clone(),
        });
        let compiling = std::thread::Builder::new()
            .name("compile".to_owned())
            .spawn(move || {
                std::thread::sleep(wait);
                // Nothing is left half done under this lock.
                let _turn = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
                match self.compile() {
                    Ok(module) => {
                        let _ = better.set(module);
                        tracing::info!("a module has better code now, for VMs that are made from now on");
                    }
                    Err(error) => tracing::warn!("a module stays with its first code: {error}"),
                }
            });
        if let Err(error) = compiling {
            tracing::warn!("a module stays with its first code: no thread could be started: {error}");
        }
        module
    }

    fn compile(&self) -> Result<Arc<dyn Module>, Error> {
        let request = LoadRequest::new(&self.code, &self.imports, &self.exports);
        super::compile(&*self.engine, self.place.as_ref(), &request, &self.info)
    }
}

struct TieredModule {
    now: Arc<dyn Module>,
    better: Arc<OnceLock<Arc<dyn Module>>>,
}

impl Module for TieredModule {
    fn has_export(&self, export: ExportId) -> bool {
        self.now.has_export(export)
    }

    fn shares_thread_state(&self) -> bool {
        self.now.shares_thread_state()
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        self.better.get().unwrap_or(&self.now).instantiate(host)
    }

    fn generation(&self) -> u32 {
        u32::from(self.better.get().is_some())
    }
}
