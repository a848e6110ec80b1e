//! The engine: limits, and the clock that keeps one of them.

use std::sync::Arc;

use enginebay_engine::{Engine, EngineOptions, Error, LoadRequest, Module, ModuleInfo, ResolvedLimits};

use crate::module::WamrModule;
use crate::sys;
use crate::watchdog::Watchdog;

struct WamrEngine {
    limits: ResolvedLimits,
    watchdog: Option<Arc<Watchdog>>,
}

pub(crate) fn create(_: &EngineOptions, limits: ResolvedLimits) -> Result<Arc<dyn Engine>, Error> {
    sys::initialise()?;
    let watchdog = match limits.call_time {
        Some(limit) => Some(Arc::new(Watchdog::start(limit)?)),
        None => None,
    };
    Ok(Arc::new(WamrEngine { limits, watchdog }))
}

impl Engine for WamrEngine {
    fn limits(&self) -> &ResolvedLimits {
        &self.limits
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        Ok(Arc::new(WamrModule::load(
            &self.limits,
            self.watchdog.clone(),
            request,
            info,
        )?))
    }
}
