//! Does what the script says.

use std::cell::{Cell, RefCell};
use std::fmt::Write as _;
use std::rc::Rc;

use super::exports::VM_START;
use super::host;
use super::memory::Memory;
use crate::script::{self, Allocator, Arg, FILLER, Script, Step};

/// A plugin that has its script.
struct Plugin {
    script: Script,
    arena: Memory,
}

/// What there is of the VM. Nothing is borrowed while a host function runs, as that may call back.
struct State {
    plugin: RefCell<Option<Rc<Plugin>>>,
    /// A bit for each callback that was called.
    called: Cell<u64>,
    allocator: Cell<Allocator>,
    /// What the allocator gave.
    allocations: RefCell<Vec<Memory>>,
}

thread_local! {
    static STATE: State = const {
        State {
            plugin: RefCell::new(None),
            called: Cell::new(0),
            allocator: Cell::new(Allocator::Good),
            allocations: RefCell::new(Vec::new()),
        }
    };
}

/// Back to the start.
pub(super) fn reset() {
    STATE.with(|state| {
        state.plugin.take();
        state.called.set(0);
        state.allocator.set(Allocator::Good);
        state.allocations.take();
    });
}

/// The address of so many bytes; 0 if there is no memory.
pub(super) fn allocate(size: usize) -> usize {
    STATE.with(|state| {
        match state.allocator.get() {
            Allocator::Good => {}
            Allocator::Empty => return 0,
            Allocator::Switching => host::set_effective_context(1),
        }
        let memory = Memory::new(size, FILLER);
        let address = memory.address();
        state.allocations.borrow_mut().push(memory);
        address
    })
}

/// Does what is to be done in a callback, and says what it returns.
pub(super) fn on(callback: u8, params: &[u32], default: u32) -> u32 {
    STATE.with(|state| {
        if callback == VM_START {
            let size = params.get(1).copied().unwrap_or(0);
            let Some(plugin) = state.read_script(size as usize) else {
                return 0;
            };
            state.plugin.replace(Some(Rc::new(plugin)));
        }
        let plugin = state.plugin.borrow().clone();
        let Some(plugin) = plugin else {
            return default;
        };
        let part = plugin.script.parts.iter().find(|part| part.callback == callback);
        let bit = 1 << callback;
        let (Some(part), 0) = (part, state.called.get() & bit) else {
            return default;
        };
        state.called.set(state.called.get() | bit);
        report('c', part.number);
        for step in &part.steps {
            state.step(&plugin, step, params);
        }
        part.returns.unwrap_or(default)
    })
}

impl State {
    fn read_script(&self, size: usize) -> Option<Plugin> {
        let (data, size) = host::vm_configuration(size)?;
        let script = Script::from_configuration(&self.returned(data, size)?)?;
        let arena = Memory::new(script.arena as usize, FILLER);
        Some(Plugin { script, arena })
    }

    /// The bytes that the host put where the allocator said.
    fn returned(&self, data: usize, size: usize) -> Option<Vec<u8>> {
        if size == 0 {
            return Some(Vec::new());
        }
        let allocations = self.allocations.borrow();
        let memory = allocations.iter().rfind(|memory| memory.address() == data)?;
        memory.bytes(0, size)
    }

    fn step(&self, plugin: &Plugin, step: &Step, params: &[u32]) {
        match step {
            Step::Call(function, args) => {
                let args: Option<Vec<u64>> = args.iter().map(|arg| plugin.argument(arg)).collect();
                match args.and_then(|args| host::call(*function, &args)) {
                    Some(status) => report('s', status),
                    None => host::log("@x"),
                }
            }
            Step::Dump(cells) => {
                let bytes: Option<Vec<Vec<u8>>> = cells.iter().map(|cell| plugin.cell(cell)).collect();
                dump(bytes.map(|parts| parts.concat()));
            }
            Step::Returned(data, size) => {
                let word = |at: u32| plugin.arena.word(at as usize);
                let found = word(*data).zip(word(*size));
                dump(found.and_then(|(data, size)| self.returned(data, size)));
            }
            Step::Param(at) => match params.get(usize::from(*at)) {
                Some(value) => report('p', *value),
                None => host::log("@x"),
            },
            Step::Allocator(allocator) => self.allocator.set(*allocator),
        }
    }
}

impl Plugin {
    fn argument(&self, arg: &Arg) -> Option<u64> {
        match arg {
            Arg::Number(value) => Some(*value),
            Arg::Highest => Some(usize::MAX as u64),
            Arg::Place(at) => Some((self.arena.address() + *at as usize) as u64),
            Arg::Bytes(bytes) => Some(bytes.as_ptr().expose_provenance() as u64),
            Arg::Load(at) => self.arena.u32(*at as usize).map(u64::from),
        }
    }

    fn cell(&self, cell: &script::Cell) -> Option<Vec<u8>> {
        match cell {
            script::Cell::Bytes(at, len) => self.arena.bytes(*at as usize, *len as usize),
            script::Cell::Word(at) => {
                let word = self.arena.word(*at as usize)?;
                let value = match word == usize::from_ne_bytes([FILLER; _]) {
                    true => u32::from_ne_bytes([FILLER; _]),
                    false => u32::try_from(word).unwrap_or(u32::MAX),
                };
                Some(value.to_le_bytes().to_vec())
            }
        }
    }
}

fn report(letter: char, value: u32) {
    host::log(&format!("@{letter}{value:08x}"));
}

/// Reports bytes, if they are there.
fn dump(bytes: Option<Vec<u8>>) {
    let Some(bytes) = bytes else {
        return host::log("@x");
    };
    let mut text = String::from("@m");
    for byte in bytes {
        // To write to a string can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    host::log(&text);
}
