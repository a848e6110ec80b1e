//! Instances, and what a host function sees of them.

use std::rc::Rc;

use enginebay_engine::{Error, ErrorKind, ExportId, Guest, Host, Instance, Memory, Timer, Trap, catch_panic};
use wasmer::{Extern, FunctionEnv, FunctionEnvMut, Store, TypedFunction};

use crate::exports::ExportedFunction;
use crate::imports;
use crate::module::WasmerModule;
use crate::state::{Failure, Found, State};
use crate::sys::captured::Captured;
use crate::sys::deadline::Deadline;
use crate::sys::memory::GuestMemory;

/// An instance and the store it lives in alone.
pub(crate) struct WasmerInstance {
    state: Rc<State>,
    // Before the store, which owns the engine and with it the code that the module describes.
    _module: wasmer::Module,
    store: Store,
}

impl WasmerInstance {
    pub(crate) fn new(module: &WasmerModule, host: Rc<dyn Host>) -> Result<Self, Error> {
        let mut this = WasmerInstance {
            state: Rc::new(State::new(host, module.wanted.clone(), module.stack)),
            _module: module.module.clone(),
            store: Store::new(module.engine.clone()),
        };
        let instance = this.instantiate(module)?;
        let start = this.find(module, &instance)?;
        if let Some(start) = start {
            this.outermost(|state, store| state.enter(|| start.call(store).map_err(Failure::Guest)))
                .map_err(Error::start_trapped)?;
        }
        Ok(this)
    }

    fn instantiate(&mut self, module: &WasmerModule) -> Result<wasmer::Instance, Error> {
        let store = &mut self.store;
        let env = FunctionEnv::new(store, ());
        let captured = Captured::new(&self.state);
        let imports: Vec<Extern> = module
            .imports
            .iter()
            .map(|(index, function)| imports::host_function(store, &env, captured.clone(), *index, function))
            .collect();
        wasmer::Instance::new_by_index(store, &module.module, &imports).map_err(|error| {
            Error::new(
                ErrorKind::Instantiate,
                format!("the module can't be instantiated: {error}"),
            )
        })
    }

    /// Looks up everything by name, once, so that no call has to. Returns the start function.
    fn find(
        &mut self,
        module: &WasmerModule,
        instance: &wasmer::Instance,
    ) -> Result<Option<TypedFunction<(), ()>>, Error> {
        let store = &mut self.store;
        let exports = &instance.exports;
        let functions = module.wanted.iter().map(|wanted| {
            let function = exports.get_function(wanted.name).ok()?;
            ExportedFunction::new(store, function, wanted.signature)
        });
        let functions = functions.collect();
        let memory = exports.get_memory("memory").ok().cloned();
        self.state.set_found(Found {
            memory: memory.and_then(|memory| GuestMemory::new(store, memory)),
            exports: functions,
        });
        if let Some(clock) = &module.clock {
            let global = exports.get_global(&module.added.deadline).ok().cloned();
            let deadline = global.and_then(|global| Deadline::new(store, global));
            let deadline = deadline.ok_or_else(|| {
                Error::new(
                    ErrorKind::Instantiate,
                    "the module was compiled for calls without a time limit",
                )
            })?;
            self.state.set_timer(Some(Timer::new(clock, deadline)));
        }
        Ok(exports.get_typed_function(store, &module.added.start).ok())
    }

    /// Makes a call that is not inside another one.
    #[inline]
    fn outermost<T>(&mut self, call: impl FnOnce(&State, &mut Store) -> Result<T, Trap>) -> Result<T, Trap> {
        let result = catch_panic(|| call(&self.state, &mut self.store));
        if result.is_err() {
            self.state.left();
        }
        result
    }
}

impl Drop for WasmerInstance {
    fn drop(&mut self) {
        // The clock must let go of the deadline before the store, where it is, is dropped.
        self.state.set_timer(None);
    }
}

impl Guest for WasmerInstance {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        self.state.memory(&mut self.store)
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        self.outermost(|state, store| state.call(store, export, args))
    }
}

impl Instance for WasmerInstance {}

/// An instance inside a host call. Calls back into the guest run against the deadline of the call around them.
pub(crate) struct Running<'a> {
    pub(crate) caller: FunctionEnvMut<'a, ()>,
    pub(crate) state: &'a State,
}

impl Guest for Running<'_> {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        self.state.memory(&mut self.caller)
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        self.state.call(&mut self.caller, export, args)
    }
}
