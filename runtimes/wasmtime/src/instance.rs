//! Instances, and what a host function sees of them.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay_engine::{
    Clock, Deadline as _, Error, ErrorKind, ExportId, Guest, Host, Instance, Memory, ResolvedLimits, Timer,
    Trap, catch_panic,
};
use wasmtime::{AsContextMut, Caller, Extern, ModuleExport, ResourceLimiter, Store};

use crate::deadline::Deadline;
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
    /// Behind a count of its own, so that a call back into the guest can hold it while the store runs. Nothing is in it until
    /// the instance is made, before which no host function is called.
    found: Rc<Found>,
    pub(crate) view: Option<View>,
}

impl Data {
    pub(crate) fn new(host: Rc<dyn Host>, limiter: Limiter, wanted: Arc<Wanted>) -> Self {
        Data {
            host: HostRef::new(host),
            limiter,
            wanted,
            found: Rc::default(),
            view: None,
        }
    }
}

/// What an instance has of what is wanted of it.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) memory: Option<wasmtime::Memory>,
    exports: Box<[Option<Export>]>,
    /// Where the deadline is, with the limit.
    time: Option<(Deadline, Duration)>,
}

impl Found {
    /// Looks everything up.
    fn resolve(store: &mut Store<Data>, instance: wasmtime::Instance) -> Rc<Found> {
        let wanted = store.data().wanted.clone();
        let exports = wanted.exports.iter().map(|(export, place)| {
            let function = instance
                .get_module_export(&mut *store, place.as_ref()?)?
                .into_func()?;
            Export::new(&mut *store, function, export.signature)
        });
        let exports = exports.collect();
        let mut memory = |place| instance.get_module_export(&mut *store, place)?.into_memory();
        let deadline = wanted
            .time
            .as_ref()
            .and_then(|(place, limit)| Some((memory(place)?, *limit)));
        let memory = wanted.memory.as_ref().and_then(memory);
        let found = Rc::new(Found {
            memory,
            exports,
            time: deadline.and_then(|(memory, limit)| Some((Deadline::new(&*store, memory)?, limit))),
        });
        store.data_mut().found = found.clone();
        found
    }

    /// The time limit, if the call has reached it.
    #[cold]
    fn passed(&self) -> Option<Duration> {
        let (deadline, limit) = self.time.as_ref()?;
        deadline.has_passed().then_some(*limit)
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
                Some(Err(error)) => Err(trap::convert(error, self.passed())),
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
    /// Not before the instance is made: the module's own sizes were checked when it was loaded, and the memory of the deadline
    /// does not count.
    applies: bool,
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
            applies: false,
        }
    }

    /// How many times a memory was going to grow.
    #[inline]
    pub(crate) fn growths(&self) -> u64 {
        self.growths
    }

    fn may_have(&self, desired: usize, limit: usize, maximum: Option<usize>) -> bool {
        (desired <= limit || !self.applies) && maximum.is_none_or(|maximum| desired <= maximum)
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
        Ok(self.may_have(desired, self.memory, maximum))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.may_have(desired, self.table, maximum))
    }
}

/// An instance between calls.
pub(crate) struct WasmtimeInstance {
    /// Before the store, where the deadline is: the clock must let go of it first.
    timer: Option<Timer<Deadline>>,
    store: Store<Data>,
    found: Rc<Found>,
}

impl WasmtimeInstance {
    /// Looks everything up, and calls the start function.
    pub(crate) fn start(
        mut store: Store<Data>,
        instance: wasmtime::Instance,
        clock: Option<&Arc<Clock<Deadline>>>,
    ) -> Result<Self, Error> {
        let found = Found::resolve(&mut store, instance);
        let timer = match (clock, found.time) {
            (Some(clock), Some((deadline, _))) => Some(Timer::new(clock, deadline)),
            (None, None) => None,
            _ => {
                return Err(Error::new(
                    ErrorKind::Instantiate,
                    "the module was compiled for calls with another time limit",
                ));
            }
        };
        store.data_mut().limiter.applies = true;
        let mut this = WasmtimeInstance { timer, store, found };
        let start = this.store.data().wanted.clone();
        if let Some(start) = &start.start {
            this.run_start(instance, start).map_err(Error::start_trapped)?;
        }
        Ok(this)
    }

    fn run_start(&mut self, instance: wasmtime::Instance, start: &ModuleExport) -> Result<(), Trap> {
        self.begin();
        let Some(start) = instance
            .get_module_export(&mut self.store, start)
            .and_then(Extern::into_func)
        else {
            return Ok(());
        };
        catch_panic(|| {
            start
                .call(&mut self.store, &[], &mut [])
                .map_err(|error| trap::convert(error, self.found.passed()))
        })
    }

    /// Begins the time of an outermost call.
    #[inline]
    fn begin(&self) {
        if let Some(timer) = &self.timer {
            timer.begin();
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
        self.begin();
        catch_panic(|| self.found.call(&mut self.store, export, args))
    }
}

impl Instance for WasmtimeInstance {}

/// An instance inside a host call. Calls back into the guest run against the deadline of the call around them.
pub(crate) struct Running<'a>(pub(crate) Caller<'a, Data>);

impl Running<'_> {
    /// What the instance has.
    #[inline]
    pub(crate) fn found(&self) -> Rc<Found> {
        self.0.data().found.clone()
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
