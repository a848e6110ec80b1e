//! What an instance and its host functions share.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{Export, ExportId, Host, Memory, Timer, Trap};
use wasmer::{AsStoreMut, RuntimeError};

use crate::exports::ExportedFunction;
use crate::sys::deadline::Deadline;
use crate::sys::memory::GuestMemory;
use crate::{stacks, trap};

/// How many calls may run one inside the other. Each has a stack of its own, and uses the host's between them.
const MAX_DEPTH: u32 = 32;

/// The state of one instance.
pub(crate) struct State {
    pub(crate) host: Rc<dyn Host>,
    wanted: Arc<[Export]>,
    stack: Option<usize>,
    /// How many calls into the guest are running, one inside the other.
    depth: Cell<u32>,
    /// Set before the guest runs, where there is a time limit, and taken away before the store is dropped.
    timer: RefCell<Option<Timer<Deadline>>>,
    /// Set before the guest runs.
    found: OnceCell<Found>,
}

/// What an instance has of what is wanted of it.
pub(crate) struct Found {
    pub(crate) memory: Option<GuestMemory>,
    /// `None` for what the module doesn't export.
    pub(crate) exports: Box<[Option<ExportedFunction>]>,
}

impl State {
    pub(crate) fn new(host: Rc<dyn Host>, wanted: Arc<[Export]>, stack: Option<usize>) -> Self {
        State {
            host,
            wanted,
            stack,
            depth: Cell::new(0),
            timer: RefCell::new(None),
            found: OnceCell::new(),
        }
    }

    pub(crate) fn set_found(&self, found: Found) {
        // Done once, by the one function that makes instances.
        let _ = self.found.set(found);
    }

    /// The guest's memory, in the store of this state.
    #[inline]
    pub(crate) fn memory<'a>(&self, store: &'a mut impl AsStoreMut) -> Memory<'a> {
        match self.found.get() {
            Some(Found {
                memory: Some(memory), ..
            }) => memory.get(store),
            _ => Memory::linear(&mut []),
        }
    }

    pub(crate) fn set_timer(&self, timer: Option<Timer<Deadline>>) {
        *self.timer.borrow_mut() = timer;
    }

    /// Calls an export.
    #[inline]
    pub(crate) fn call(
        &self,
        store: &mut impl AsStoreMut,
        export: ExportId,
        args: &[u64],
    ) -> Result<u64, Trap> {
        let exports = self.found.get().map_or(&[][..], |found| &found.exports);
        match exports.get(usize::from(export.0)) {
            Some(Some(function)) => self.enter(|| match function.call(store, args) {
                Some(result) => result.map_err(Failure::Guest),
                None => Err(Failure::Arguments(export, args.len())),
            }),
            _ => Err(self.missing(export)),
        }
    }

    /// Makes a call into the guest, within the limits.
    #[inline]
    pub(crate) fn enter<T>(&self, call: impl FnOnce() -> Result<T, Failure>) -> Result<T, Trap> {
        let depth = self.depth.get();
        if depth == 0 {
            if let Some(stack) = self.stack {
                stacks::prepare(stack);
            }
            if let Some(timer) = &*self.timer.borrow() {
                timer.begin();
            }
        } else if depth >= MAX_DEPTH {
            return Err(Trap::nested_too_deep(MAX_DEPTH));
        }
        self.depth.set(depth + 1);
        let result = call();
        self.depth.set(depth);
        result.map_err(|failure| self.failed(failure))
    }

    /// To be called after a panic went through [`State::enter`].
    pub(crate) fn left(&self) {
        self.depth.set(0);
    }

    #[cold]
    fn failed(&self, failure: Failure) -> Trap {
        match failure {
            Failure::Guest(error) => {
                let passed = self.timer.borrow().as_ref().and_then(Timer::passed);
                trap::convert(error, passed)
            }
            Failure::Arguments(export, given) => match self.wanted.get(usize::from(export.0)) {
                Some(export) => Trap::wrong_arguments(export.name, given),
                None => Trap::wrong_arguments(&export.to_string(), given),
            },
        }
    }

    #[cold]
    fn missing(&self, export: ExportId) -> Trap {
        match self.wanted.get(usize::from(export.0)) {
            Some(export) => Trap::missing_export(export.name),
            None => Trap::missing_export(&export.to_string()),
        }
    }
}

/// Why a call into the guest did not come back.
pub(crate) enum Failure {
    /// What wasmer says.
    Guest(RuntimeError),
    /// The export doesn't take this number of arguments.
    Arguments(ExportId, usize),
}
