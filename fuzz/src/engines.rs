//! The engines that are linked in.

use std::sync::Arc;

use enginebay::engine::{Engine, EngineOptions};
use enginebay::{Limits, registry};

/// An engine with the name of its runtime.
pub(crate) struct Named {
    pub(crate) name: &'static str,
    pub(crate) engine: Arc<dyn Engine>,
}

/// Every engine of WebAssembly, with these limits.
pub(crate) fn all(limits: Limits) -> Vec<Named> {
    let registry = registry().expect("no two runtimes have one name");
    let sandboxed = registry.iter().filter(|runtime| runtime.capabilities.sandbox);
    sandboxed
        .map(|runtime| Named {
            name: runtime.name,
            engine: runtime
                .create(&EngineOptions::with_limits(limits))
                .expect("the engine can keep the limits"),
        })
        .collect()
}
