//! A runtime of one's own: `example.runtime.counting` is wasmi, with every call across the boundary counted.
//!
//! This is all that a new engine takes: the three traits, and a [`Runtime`] that is submitted. The program that links this
//! crate finds it by name, in configurations too, and no other crate was touched. `tests/boundary.rs` runs the suite that
//! every engine has to pass, and `tests/conformance.rs` the one that shows that plugins can't tell it from another.

#![forbid(unsafe_code)]

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use enginebay_engine::{
    Engine, Error, ExportId, Guest, Host, HostError, Instance, LoadRequest, Memory, Module, ModuleInfo,
    ResolvedLimits, Runtime, Trap,
};
use enginebay_runtime_wasmi::RUNTIME as WASMI;

/// The runtime.
pub const RUNTIME: Runtime = Runtime {
    name: "example.runtime.counting",
    aliases: &[],
    engine: "wasmi, counted",
    // It can do what the engine inside it can.
    capabilities: WASMI.capabilities,
    factory: |options, limits| {
        let inner = (WASMI.factory)(options, limits)?;
        Ok(Arc::new(Counting(inner)) as Arc<dyn Engine>)
    },
};

enginebay_engine::submit!(RUNTIME);

/// Calls into guests so far, in the whole process.
pub static GUEST_CALLS: AtomicU64 = AtomicU64::new(0);

/// Calls of host functions so far, in the whole process.
pub static HOST_CALLS: AtomicU64 = AtomicU64::new(0);

struct Counting(Arc<dyn Engine>);

impl Engine for Counting {
    fn limits(&self) -> &ResolvedLimits {
        self.0.limits()
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        Ok(Arc::new(CountingModule(self.0.compile(request, info)?)))
    }
}

struct CountingModule(Arc<dyn Module>);

impl Module for CountingModule {
    fn has_export(&self, export: ExportId) -> bool {
        self.0.has_export(export)
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        let inner = self.0.instantiate(Rc::new(CountingHost(host)))?;
        Ok(Box::new(CountingInstance(inner)))
    }
}

struct CountingInstance(Box<dyn Instance>);

impl Instance for CountingInstance {}

impl Guest for CountingInstance {
    fn memory(&mut self) -> Memory<'_> {
        self.0.memory()
    }

    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        GUEST_CALLS.fetch_add(1, Ordering::Relaxed);
        self.0.call(export, args)
    }
}

/// Stands between the engine and the host.
struct CountingHost(Rc<dyn Host>);

impl Host for CountingHost {
    fn call(&self, function: usize, guest: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError> {
        HOST_CALLS.fetch_add(1, Ordering::Relaxed);
        self.0.call(function, &mut CountingGuest(guest), args)
    }
}

/// The guest as its host function sees it: what it calls back is counted too.
struct CountingGuest<'a>(&'a mut dyn Guest);

impl Guest for CountingGuest<'_> {
    fn memory(&mut self) -> Memory<'_> {
        self.0.memory()
    }

    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        GUEST_CALLS.fetch_add(1, Ordering::Relaxed);
        self.0.call(export, args)
    }
}
