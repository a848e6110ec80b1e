//! Instances, seen by their owner and by the host functions they call.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use enginebay_engine::{Error, ExportId, Guest, Host, Instance, Memory, Trap, TrapKind};

use crate::call::Call;
use crate::memory::AddressSpace;
use crate::module::{Exported, Program, Role, Target};
use crate::native::{Allocations, NativePlugin};
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
        let Some(exported) = self.program.exports.get(usize::from(export.0)).copied() else {
            return Err(Trap::missing_export(&export.to_string()));
        };
        let result = match exported.target {
            Target::C(thunk) => {
                if exported.role == Role::CreatesContext && !started::is_last(&self.program) {
                    self.start()?;
                }
                // Not in the result, which goes through memory: a word of it alone is read as it was written.
                let called = Cell::new(true);
                let word = Call::of_c(self, || {
                    // SAFETY: the table is the plugin's own, and whoever registered it or built the library vouches for
                    // its types.
                    unsafe { thunk(&self.program.table, args) }.unwrap_or_else(|| {
                        called.set(false);
                        0
                    })
                });
                word.map(|word| called.get().then_some(word))
            }
            Target::Native(thunk) => self.call_native(thunk, args),
            Target::Allocate => return Ok(self.allocations.allocate(args)),
            Target::Start => self.start().map(Some),
            Target::Missing => return Err(self.missing(export)),
        };
        if exported.role == Role::Starts {
            self.after_start(exported);
        }
        match result {
            Ok(Some(word)) => Ok(word),
            Ok(None) => Err(self.wrong_arguments(export, args)),
            Err(trap) => Err(trap),
        }
    }

    /// Runs the start function of a plugin with the linked SDK.
    #[cold]
    fn start(&self) -> Result<u64, Trap> {
        Call::of_rust(self, |_| started::start(&self.program)).map(|()| 0)
    }

    fn call_native(&self, thunk: crate::native::NativeThunk, args: &[u64]) -> Result<Option<u64>, Trap> {
        let Some(Ok(mut plugin)) = self.plugin.get().map(RefCell::try_borrow_mut) else {
            return Err(Trap::new(
                TrapKind::Other,
                "a native plugin can't be called while it waits for a host function",
            ));
        };
        Call::of_rust(self, |call| thunk(&mut **plugin, call, args))
    }

    /// A library's panic hook is its own, and so is the one that a Rust type doesn't set.
    fn after_start(&self, exported: Exported) {
        if !matches!(exported.target, Target::Native(_)) && !self.program.is_library() {
            panic::reinstall();
        }
    }

    #[cold]
    fn missing(&self, export: ExportId) -> Trap {
        Trap::missing_export(self.name(export))
    }

    #[cold]
    fn wrong_arguments(&self, export: ExportId, args: &[u64]) -> Trap {
        Trap::wrong_arguments(self.name(export), args.len())
    }

    fn name(&self, export: ExportId) -> &'static str {
        self.program
            .names
            .get(usize::from(export.0))
            .copied()
            .unwrap_or("?")
    }
}
