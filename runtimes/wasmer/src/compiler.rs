//! The compiler, and what it is told.

use std::sync::Arc;

use enginebay_engine::{Compiler, ResolvedLimits};
use wasmer::Engine;
use wasmer::sys::{CompilerConfig, Cranelift, EngineBuilder, Features, NativeEngineExt, Target};

use crate::deadline_checks::Preparation;
use crate::sys::tunables::Limited;

/// What [`Preparation`] adds to modules, by number: to be raised when it changes.
const PREPARATION: u32 = 1;

/// An engine for one module. wasmer's engines keep the code of all their modules for as long as they live, and a module's
/// code should go when the module does.
pub(crate) fn engine(compiler: Compiler, limits: &ResolvedLimits, preparation: Preparation) -> Engine {
    match compiler {
        #[cfg(feature = "singlepass")]
        Compiler::Baseline => build(wasmer::sys::Singlepass::default(), false, limits, preparation),
        // The boundary refuses what the runtime's capabilities don't have.
        _ => build(Cranelift::default(), true, limits, preparation),
    }
}

fn build<C>(mut config: C, simd: bool, limits: &ResolvedLimits, preparation: Preparation) -> Engine
where
    C: CompilerConfig + Into<Box<dyn CompilerConfig>>,
{
    let target = Target::default();
    let tunables = Limited::new(&target, limits);
    let mut features = CompilerConfig::default_features_for_target(&config, &target);
    restrict(&mut features, simd);
    config.push_middleware(Arc::new(preparation));
    let mut engine: Engine = EngineBuilder::new(config)
        .set_target(Some(target))
        .set_features(Some(features))
        .engine()
        .into();
    engine.set_tunables(tunables);
    engine
}

fn restrict(features: &mut Features, simd: bool) {
    features
        .simd(features.simd && simd)
        // One 32-bit memory is what Proxy-Wasm knows, and what the memory limit speaks of.
        .multi_memory(false)
        .memory64(false)
        // A guest that waits for another thread could not be interrupted.
        .threads(false)
        // wasmer keeps each exception until the instance is dropped: a guest could fill the host's memory with them.
        .exceptions(false);
}

/// All that compiled code depends on.
pub(crate) fn key(compiler: Compiler, timed: bool) -> String {
    let target = Target::default();
    let mut cpu: Vec<String> = target
        .cpu_features()
        .iter()
        .map(|feature| feature.to_string())
        .collect();
    cpu.sort();
    format!(
        "{} {}, {}, {}, preparation {PREPARATION}, {} deadlines",
        crate::RUNTIME.engine,
        match compiler {
            Compiler::Baseline => "baseline",
            _ => "default",
        },
        target.triple(),
        cpu.join("+"),
        if timed { "with" } else { "without" },
    )
}
