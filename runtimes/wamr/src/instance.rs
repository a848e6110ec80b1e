//! Instances, seen by their owner and by the host functions they call.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{Error, ErrorKind, ExportId, Guest, Host, HostError, Instance, Memory, Trap};

use crate::call;
use crate::export::Wanted;
use crate::module::WamrModule;
use crate::sys::{Access, Owner, RawInstance};
use crate::watchdog::Timer;

/// What belongs to an instance. Host functions get here from WAMR's side while their caller is in the middle of a call:
/// hence the cells.
pub(crate) struct Core {
    /// Before `raw`: no call is timed when the instance goes.
    pub(crate) timer: Option<Timer>,
    pub(crate) raw: RawInstance,
    pub(crate) host: Rc<dyn Host>,
    pub(crate) wanted: Arc<[Wanted]>,
    /// How many calls into the guest are running, one inside the other.
    pub(crate) depth: Cell<u32>,
    /// What stopped the guest, where that was a host function: WAMR carries words only.
    pub(crate) raised: Cell<Option<Trap>>,
}

impl Core {
    /// Makes the guest stop with the error of a host function.
    #[cold]
    pub(crate) fn raise(&self, error: HostError) {
        self.raised.set(Some(Trap::from_host_error(error)));
        self.raw.raise();
    }
}

/// An instance between calls.
pub(crate) struct WamrInstance(Owner);

impl WamrInstance {
    pub(crate) fn new(module: &WamrModule, host: Rc<dyn Host>) -> Result<Self, Error> {
        let raw = RawInstance::new(module.raw.clone(), module.stack, module.has_memory, &module.names)
            .map_err(|message| {
                Error::new(
                    ErrorKind::Instantiate,
                    format!("the module can't be instantiated: {message}"),
                )
            })?;
        let timer = module
            .watchdog
            .clone()
            .map(|watchdog| Timer::new(watchdog, raw.interrupter().clone()));
        let mut owner = Owner::new(Core {
            timer,
            raw,
            host,
            wanted: module.wanted.clone(),
            depth: Cell::new(0),
            raised: Cell::new(None),
        });
        if module.has_start {
            call::start(&mut owner.access()).map_err(Error::start_trapped)?;
        }
        Ok(WamrInstance(owner))
    }
}

impl Guest for WamrInstance {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        Memory::linear(self.0.access().into_memory())
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        call::call(&mut self.0.access(), export, args)
    }
}

impl Instance for WamrInstance {}

impl Guest for Access<'_> {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        Memory::linear(self.reborrow().into_memory())
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        call::call(self, export, args)
    }
}
