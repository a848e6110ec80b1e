//! Instances, seen by their owner and by the host functions they call.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{Error, ExportId, Guest, Host, Instance, Memory, Trap, TrapKind};

use crate::call::Call;
use crate::entry_points::Thunk;
use crate::memory::AddressSpace;
use crate::module::{Program, Target};
use crate::native::{Allocations, NativePlugin, NativeThunk};
use crate::{panic, started};

/// An instance.
pub(crate) struct NullInstance {
    state: State,
    memory: AddressSpace,
}

/// What an instance is made of. Every call of it, also one inside the other, has the same.
pub(crate) struct State {
    pub(crate) host: Rc<dyn Host>,
    /// How many calls are running, one inside the other.
    pub(crate) depth: Cell<u32>,
    /// For a plugin that is a Rust type.
    pub(crate) plugin: OnceCell<RefCell<Box<dyn NativePlugin>>>,
    /// What the host asked of that plugin's allocator.
    pub(crate) allocations: Allocations,
    /// Dropped last: the code may be in a library that it holds.
    pub(crate) program: Arc<Program>,
}

impl NullInstance {
    pub(crate) fn new(program: Arc<Program>, host: Rc<dyn Host>) -> Result<Self, Error> {
        let state = State {
            host,
            depth: Cell::new(0),
            plugin: OnceCell::new(),
            allocations: Allocations::default(),
            program,
        };
        if let Some(make) = state.program.make {
            let plugin = Call::of_rust(&state, |_| make()).map_err(Error::start_trapped)?;
            let _ = state.plugin.set(RefCell::new(plugin));
        }
        Ok(NullInstance {
            state,
            memory: AddressSpace,
        })
    }
}

impl Guest for NullInstance {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        Memory::foreign(&mut self.memory)
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        self.state.call(export, args)
    }
}

impl Instance for NullInstance {
    fn memory_size(&mut self) -> u64 {
        0
    }
}

impl Drop for State {
    fn drop(&mut self) {
        // The destructor of a plugin is the plugin's code: its panic must not reach the one who drops the VM.
        if let Some(plugin) = self.plugin.take() {
            let _ = Call::of_rust(self, |_| drop(plugin));
        }
    }
}

/// The instance as the host function that it called sees it.
pub(crate) struct Running<'a> {
    state: &'a State,
    memory: AddressSpace,
}

impl<'a> Running<'a> {
    #[inline]
    pub(crate) fn new(state: &'a State) -> Self {
        Running {
            state,
            memory: AddressSpace,
        }
    }
}

impl Guest for Running<'_> {
    #[inline]
    fn memory(&mut self) -> Memory<'_> {
        Memory::foreign(&mut self.memory)
    }

    #[inline]
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        self.state.call(export, args)
    }
}

impl State {
    #[inline]
    pub(crate) fn call(&self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        let Some(exported) = self.program.exports.get(usize::from(export.0)) else {
            return Err(Trap::missing_export(&export.to_string()));
        };
        let fits = exported.arity == args.len();
        let thunk = match exported.target {
            Target::C(thunk) if fits => thunk,
            Target::Creates(thunk) if fits && started::is_last(&self.program) => thunk,
            target => return self.call_other(target, fits, export, args),
        };
        self.call_c(thunk, args)
    }

    /// What is seldom called, or has something to be done around it.
    fn call_other(&self, target: Target, fits: bool, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        match target {
            Target::Missing => Err(Trap::missing_export(self.name(export))),
            Target::Allocate => Ok(self.allocations.allocate(args)),
            _ if !fits => Err(Trap::wrong_arguments(self.name(export), args.len())),
            Target::C(thunk) | Target::Creates(thunk) | Target::Starts(thunk) => {
                if matches!(target, Target::Creates(_)) {
                    self.start()?;
                }
                let result = self.call_c(thunk, args);
                if matches!(target, Target::Starts(_)) {
                    self.after_start();
                }
                result
            }
            Target::Start => {
                let result = self.start();
                self.after_start();
                result
            }
            Target::Native(thunk) => self.call_native(thunk, args),
        }
    }

    #[inline(always)]
    fn call_c(&self, thunk: Thunk, args: &[u64]) -> Result<u64, Trap> {
        // SAFETY: the table is the plugin's own, and whoever registered it or built the library vouches for its types. The
        // function is in it, and takes so many arguments.
        Call::of_c(self, || unsafe { thunk(&self.program.table, args) }.unwrap_or(0))
    }

    /// Runs the start function of a plugin with the linked SDK.
    #[cold]
    fn start(&self) -> Result<u64, Trap> {
        Call::of_start(self, || started::start(&self.program)).map(|()| 0)
    }

    fn call_native(&self, thunk: NativeThunk, args: &[u64]) -> Result<u64, Trap> {
        let Some(Ok(mut plugin)) = self.plugin.get().map(RefCell::try_borrow_mut) else {
            return Err(Trap::new(
                TrapKind::Other,
                "a native plugin can't be called while it waits for a host function",
            ));
        };
        Call::of_rust(self, |call| thunk(&mut **plugin, call, args).unwrap_or(0))
    }

    /// A library's panic hook is its own.
    fn after_start(&self) {
        if !self.program.is_library() {
            panic::reinstall();
        }
    }

    fn name(&self, export: ExportId) -> &'static str {
        self.program
            .names
            .get(usize::from(export.0))
            .copied()
            .unwrap_or("?")
    }
}
