//! Instances, seen by their owner and by the host functions they call.

use std::rc::Rc;

use enginebay_engine::{Error, ErrorKind, ExportId, Guest, Host, Instance, Memory, Trap};
use wasmi::{AsContextMut, Caller, Store};

use crate::clock::Clock;
use crate::limiter::Limiter;
use crate::module::WasmiModule;
use crate::state::{State, resolve};
use crate::{call, trap};

/// An instance and the store it lives in alone.
pub(crate) struct WasmiInstance {
    store: Store<State>,
}

impl WasmiInstance {
    pub(crate) fn new(module: &WasmiModule, host: Rc<dyn Host>) -> Result<Self, Error> {
        let state = State::new(
            host,
            Clock::new(module.limits.call_time),
            Limiter::new(&module.limits),
            module.wanted.clone(),
        );
        let mut store = Store::new(module.module.engine(), state);
        store.limiter(|state| &mut state.limiter);
        Clock::begin(&mut store.as_context_mut());
        // The start function is an outermost call: what its host functions call has its fuel, not their own.
        store.data_mut().depth = 1;
        let instance = module
            .linker
            .instantiate_and_start(&mut store, &module.module)
            .map_err(|error| failed(&error, store.data()))?;
        store.data_mut().depth = 0;
        store.data_mut().clock.started();
        if !store.data().resolved {
            resolve(&mut store, |ctx, name| instance.get_export(ctx, name));
        }
        Ok(WasmiInstance { store })
    }
}

fn failed(error: &wasmi::Error, state: &State) -> Error {
    if trap::is_trap(error) {
        return Error::start_trapped(trap::from_error(error, state.clock.limit()));
    }
    Error::new(
        ErrorKind::Instantiate,
        format!("the module can't be instantiated: {error}"),
    )
}

impl Guest for WasmiInstance {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        memory(&mut self.store)
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        call::call(self.store.as_context_mut(), export, args)
    }
}

impl Instance for WasmiInstance {}

/// The guest as the host function that it called sees it.
pub(crate) struct Running<'a>(pub(crate) Caller<'a, State>);

impl Guest for Running<'_> {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        memory(&mut self.0)
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        call::call(self.0.as_context_mut(), export, args)
    }
}

#[inline]
fn memory<'a>(ctx: &'a mut impl AsContextMut<Data = State>) -> Memory<'a> {
    let mut ctx = ctx.as_context_mut();
    match ctx.data_mut().memory {
        Some(memory) => Memory::linear(memory.data_mut(ctx)),
        None => Memory::linear(&mut []),
    }
}
