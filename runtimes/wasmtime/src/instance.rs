//! Instances, and what a host function sees of them.

use std::rc::Rc;

use enginebay_engine::{ExportId, Guest, Host, Instance, Memory, ResolvedLimits, Trap, TrapKind};
use wasmtime::{Caller, ResourceLimiter, Store};

use crate::exports::Export;

/// What a store carries.
pub(crate) struct Data {
    pub(crate) host: Rc<dyn Host>,
    pub(crate) limiter: Limiter,
    memory: Option<wasmtime::Memory>,
    /// Behind a count of its own, so that a call back into the guest can hold it while the store runs.
    exports: Rc<[Option<Export>]>,
}

impl Data {
    pub(crate) fn new(host: Rc<dyn Host>, limiter: Limiter) -> Self {
        Data {
            host,
            limiter,
            memory: None,
            exports: Rc::new([]),
        }
    }
}

/// Refuses growth beyond the limits; the guest is told so and goes on.
#[derive(Clone)]
pub(crate) struct Limiter {
    memory: usize,
    table: usize,
}

impl Limiter {
    pub(crate) fn new(limits: &ResolvedLimits) -> Self {
        let or_all = |limit: Option<u64>| {
            limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX))
        };
        Limiter {
            memory: or_all(limits.memory),
            table: or_all(limits.table_elements.map(u64::from)),
        }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
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
    exports: Rc<[Option<Export>]>,
    /// Epochs one call may take.
    deadline: Option<u64>,
}

impl WasmtimeInstance {
    pub(crate) fn new(
        mut store: Store<Data>,
        memory: Option<wasmtime::Memory>,
        exports: Rc<[Option<Export>]>,
        deadline: Option<u64>,
    ) -> Self {
        let data = store.data_mut();
        data.memory = memory;
        data.exports = exports.clone();
        WasmtimeInstance {
            store,
            exports,
            deadline,
        }
    }
}

impl Guest for WasmtimeInstance {
    fn memory(&mut self) -> Memory<'_> {
        Memory::linear(match self.store.data().memory {
            Some(memory) => memory.data_mut(&mut self.store),
            None => &mut [],
        })
    }

    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        let Some(Some(function)) = self.exports.get(usize::from(export.0)) else {
            return Err(no_such_export(export));
        };
        if let Some(deadline) = self.deadline {
            self.store.set_epoch_deadline(deadline);
        }
        function.call(&mut self.store, args)
    }
}

impl Instance for WasmtimeInstance {}

/// An instance inside a host call. Calls back into the guest run against the deadline of the call around them.
pub(crate) struct Running<'a>(pub(crate) Caller<'a, Data>);

impl Guest for Running<'_> {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        let memory = match self.0.data().memory {
            Some(memory) => Some(memory),
            None => self.memory_of_starting_instance(),
        };
        Memory::linear(match memory {
            Some(memory) => memory.data_mut(&mut self.0),
            None => &mut [],
        })
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        let exports = self.0.data().exports.clone();
        match exports.get(usize::from(export.0)) {
            Some(Some(function)) => function.call(&mut self.0, args),
            _ => Err(no_such_export(export)),
        }
    }
}

impl Running<'_> {
    /// While the start function runs, nothing is resolved yet.
    #[cold]
    fn memory_of_starting_instance(&mut self) -> Option<wasmtime::Memory> {
        self.0.get_export("memory")?.into_memory()
    }
}

#[cold]
fn no_such_export(export: ExportId) -> Trap {
    Trap::new(
        TrapKind::HostError,
        format!(
            "the host called export {}, which the module does not have",
            export.0
        ),
    )
}
