//! Instances, and what a host function sees of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay_engine::{ExportId, Guest, Host, Instance, Memory, ResolvedLimits, Trap, catch_panic};
use wasmtime::{AsContextMut, Caller, Extern, ModuleExport, ResourceLimiter, Store};

use crate::engine::Strategy;
use crate::exports::Export;
use crate::host_ref::HostRef;
use crate::module::Wanted;
use crate::view::View;
use crate::{trap, view};

/// What a store carries.
pub(crate) struct Data {
    pub(crate) host: HostRef,
    pub(crate) limiter: Limiter,
    wanted: Arc<Wanted>,
    /// Behind a count of its own, so that a call back into the guest can hold it while the store runs. `None`
    /// until looked up.
    found: Option<Rc<Found>>,
    pub(crate) view: Option<View>,
}

impl Data {
    pub(crate) fn new(host: Rc<dyn Host>, limiter: Limiter, wanted: Arc<Wanted>) -> Self {
        Data {
            host: HostRef::new(host),
            limiter,
            wanted,
            found: None,
            view: None,
        }
    }
}

/// What an instance has of what is wanted of it.
pub(crate) struct Found {
    pub(crate) memory: Option<wasmtime::Memory>,
    exports: Box<[Option<Export>]>,
    call_time: Option<Duration>,
}

impl Found {
    /// Looks everything up, with `get` to find what has a place in the module.
    fn resolve<C: AsContextMut<Data = Data>>(
        mut store: C,
        get: impl Fn(&mut C, &ModuleExport) -> Option<Extern>,
    ) -> Rc<Found> {
        let wanted = store.as_context().data().wanted.clone();
        let exports = wanted.exports.iter().map(|(export, place)| {
            let function = get(&mut store, place.as_ref()?)?.into_func()?;
            Export::new(&mut store, function, export.signature)
        });
        let exports = exports.collect();
        let memory = wanted
            .memory
            .as_ref()
            .and_then(|place| get(&mut store, place)?.into_memory());
        let found = Rc::new(Found {
            memory,
            exports,
            call_time: wanted.call_time,
        });
        store.as_context_mut().data_mut().found = Some(found.clone());
        found
    }

    #[inline]
    fn call(
        &self,
        store: impl AsContextMut<Data = Data>,
        export: ExportId,
        args: &[u64],
    ) -> Result<u64, Trap> {
        match self.exports.get(usize::from(export.0)) {
            Some(Some(function)) => match function.call(store, args) {
                Some(Ok(result)) => Ok(result),
                Some(Err(error)) => Err(trap::convert(error, self.call_time)),
                None => Err(Trap::wrong_arguments(&export.to_string(), args.len())),
            },
            _ => Err(missing(&store.as_context().data().wanted, export)),
        }
    }
}

#[cold]
fn missing(wanted: &Wanted, export: ExportId) -> Trap {
    match wanted.exports.get(usize::from(export.0)) {
        Some((export, _)) => Trap::missing_export(export.name),
        None => Trap::missing_export(&export.to_string()),
    }
}

/// Refuses growth beyond the limits; the guest is told so and goes on.
#[derive(Clone)]
pub(crate) struct Limiter {
    memory: usize,
    table: usize,
    growths: u64,
}

impl Limiter {
    pub(crate) fn new(limits: &ResolvedLimits) -> Self {
        let or_all = |limit: Option<u64>| {
            limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
        };
        Limiter {
            memory: or_all(limits.memory),
            table: or_all(limits.table_elements.map(u64::from)),
            growths: 0,
        }
    }

    /// How many times a memory was going to grow.
    #[inline]
    pub(crate) fn growths(&self) -> u64 {
        self.growths
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        self.growths += 1;
        Ok(desired <= self.memory && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table && maximum.is_none_or(|maximum| desired <= maximum))
    }
}

/// An instance between calls.
pub(crate) struct WasmtimeInstance {
    store: Store<Data>,
    found: Rc<Found>,
    /// Epochs one call may take.
    deadline: Option<u64>,
    /// Keeps the clock of the epochs running, also when the module and the engine are gone.
    _strategy: Arc<Strategy>,
}

impl WasmtimeInstance {
    pub(crate) fn new(mut store: Store<Data>, instance: wasmtime::Instance, strategy: Arc<Strategy>) -> Self {
        let deadline = strategy.deadline();
        let found = match &store.data().found {
            // The start function's host calls looked already.
            Some(found) => found.clone(),
            None => Found::resolve(&mut store, |store, place| {
                instance.get_module_export(store, place)
            }),
        };
        WasmtimeInstance {
            store,
            found,
            deadline,
            _strategy: strategy,
        }
    }
}

impl Guest for WasmtimeInstance {
    fn memory(&mut self) -> Memory<'_> {
        Memory::linear(match self.found.memory {
            Some(memory) => memory.data_mut(&mut self.store),
            None => &mut [],
        })
    }

    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        if let Some(deadline) = self.deadline {
            self.store.set_epoch_deadline(deadline);
        }
        catch_panic(|| self.found.call(&mut self.store, export, args))
    }
}

impl Instance for WasmtimeInstance {}

/// An instance inside a host call. Calls back into the guest run against the deadline of the call around them.
pub(crate) struct Running<'a>(pub(crate) Caller<'a, Data>);

impl Running<'_> {
    /// What the instance has.
    #[inline]
    pub(crate) fn found(&mut self) -> Rc<Found> {
        match &self.0.data().found {
            Some(found) => found.clone(),
            None => self.resolve(),
        }
    }

    /// While the start function runs, nothing is looked up yet.
    #[cold]
    fn resolve(&mut self) -> Rc<Found> {
        Found::resolve(&mut self.0, |caller, place| caller.get_module_export(place))
    }
}

impl Guest for Running<'_> {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        Memory::linear(view::memory(self))
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        self.found().call(&mut self.0, export, args)
    }
}
