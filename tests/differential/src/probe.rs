//! An engine inside an engine, which notes all that crosses the boundary and what the guest's memory is then.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Write as _;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::engine::{
    Engine, Error, ExportId, Guest, Host, HostError, Instance, LoadRequest, Memory, Module, ModuleInfo,
    ResolvedLimits, Trap,
};

use crate::trace::{Line, Trace};

/// Bytes and where in the guest's memory they go.
pub(crate) type Patch = Vec<(u32, Vec<u8>)>;

/// What was seen so far.
#[derive(Default)]
pub(crate) struct Recorder {
    trace: RefCell<Trace>,
    event: Cell<usize>,
    callback: Cell<Option<&'static str>>,
    step: Cell<usize>,
    /// What is written into memory before each outermost call into a guest.
    feed: RefCell<VecDeque<Patch>>,
    /// What is written when there is no more of it.
    empty: Patch,
    /// The line at which a copy of the memory is kept.
    look: Option<usize>,
}

thread_local! {
    // An instance is made by the host, which has no way to hand through what it knows nothing of.
    static CURRENT: RefCell<Rc<Recorder>> = RefCell::default();
}

impl Recorder {
    /// A recorder for all instances that this thread makes from now on.
    pub(crate) fn install(empty: Patch, look: Option<usize>) -> Rc<Recorder> {
        let recorder = Rc::new(Recorder {
            empty,
            look,
            ..Recorder::default()
        });
        CURRENT.set(recorder.clone());
        recorder
    }

    /// Begins an event, in which outermost calls find these patches.
    pub(crate) fn begin(&self, event: usize, patches: Vec<Patch>) {
        self.event.set(event);
        self.callback.set(None);
        self.step.set(0);
        self.feed.replace(patches.into());
    }

    pub(crate) fn note(&self, text: String) {
        self.trace.borrow_mut().lines.push(Line {
            event: self.event.get(),
            callback: self.callback.get(),
            step: self.step.get(),
            text,
        });
    }

    fn note_with_memory(&self, mut text: String, memory: &Memory<'_>) {
        let len = memory.len() as u64;
        let bytes = memory.read(0, len).unwrap_or_default();
        if self.look == Some(self.trace.borrow().lines.len()) {
            self.trace.borrow_mut().memory = bytes.to_vec();
        }
        write!(text, "; memory {:08x} of {len:#x}", crc32fast::hash(bytes)).ok();
        self.note(text);
    }

    /// All that was noted.
    pub(crate) fn finish(&self) -> Trace {
        CURRENT.set(Rc::default());
        self.trace.take()
    }
}

/// The engine inside.
pub(crate) struct Probe(pub(crate) Arc<dyn Engine>);

impl Engine for Probe {
    fn limits(&self) -> &ResolvedLimits {
        self.0.limits()
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        Ok(Arc::new(ProbeModule {
            inner: self.0.compile(request, info)?,
            names: Arc::new(Names {
                imports: request.imports.iter().map(|import| import.name).collect(),
                exports: request.exports.iter().map(|export| export.name).collect(),
            }),
        }))
    }
}

struct Names {
    imports: Vec<&'static str>,
    exports: Vec<&'static str>,
}

impl Names {
    fn export(&self, export: ExportId) -> &'static str {
        self.exports.get(usize::from(export.0)).copied().unwrap_or("?")
    }
}

struct ProbeModule {
    inner: Arc<dyn Module>,
    names: Arc<Names>,
}

impl Module for ProbeModule {
    fn has_export(&self, export: ExportId) -> bool {
        self.inner.has_export(export)
    }

    fn instantiate(&self, host: Rc<dyn Host>) -> Result<Box<dyn Instance>, Error> {
        let seen = Seen {
            recorder: CURRENT.with_borrow(Rc::clone),
            names: self.names.clone(),
        };
        let host = ProbeHost {
            inner: host,
            seen: seen.clone(),
        };
        let inner = self.inner.instantiate(Rc::new(host))?;
        Ok(Box::new(ProbeInstance { inner, seen }))
    }
}

#[derive(Clone)]
struct Seen {
    recorder: Rc<Recorder>,
    names: Arc<Names>,
}

struct ProbeInstance {
    inner: Box<dyn Instance>,
    seen: Seen,
}

impl Instance for ProbeInstance {
    fn memory_size(&mut self) -> u64 {
        self.inner.memory_size()
    }
}

impl Guest for ProbeInstance {
    fn memory(&mut self) -> Memory<'_> {
        self.inner.memory()
    }

    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        let recorder = &self.seen.recorder;
        let name = self.seen.names.export(export);
        recorder.callback.set(Some(name));
        recorder.step.set(0);
        let patch = recorder.feed.borrow_mut().pop_front();
        let mut memory = self.inner.memory();
        for (at, bytes) in patch.as_ref().unwrap_or(&recorder.empty) {
            if let Ok(place) = memory.write(u64::from(*at), bytes.len() as u64) {
                place.copy_from_slice(bytes);
            }
        }
        recorder.note(call_text("enter ", name, args));
        let result = self.inner.call(export, args);
        let text = format!("{name} {}", outcome(&result));
        recorder.note_with_memory(text, &self.inner.memory());
        recorder.callback.set(None);
        result
    }
}

struct ProbeHost {
    inner: Rc<dyn Host>,
    seen: Seen,
}

impl Host for ProbeHost {
    fn call(&self, function: usize, guest: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError> {
        let recorder = &self.seen.recorder;
        recorder.step.set(recorder.step.get() + 1);
        let name = self.seen.names.imports.get(function).copied().unwrap_or("?");
        let mut text = call_text("", name, args);
        let mut guest = ProbeGuest {
            inner: guest,
            seen: &self.seen,
        };
        let result = self.inner.call(function, &mut guest, args);
        match &result {
            Ok(value) => write!(text, " = {value:#x}"),
            Err(error) => write!(text, " failed: {error}"),
        }
        .ok();
        recorder.note_with_memory(text, &guest.inner.memory());
        result
    }
}

/// The guest as its host function sees it.
struct ProbeGuest<'a> {
    inner: &'a mut dyn Guest,
    seen: &'a Seen,
}

impl Guest for ProbeGuest<'_> {
    fn memory(&mut self) -> Memory<'_> {
        self.inner.memory()
    }

    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap> {
        let result = self.inner.call(export, args);
        let mut text = call_text("inside: ", self.seen.names.export(export), args);
        write!(text, " {}", outcome(&result)).ok();
        self.seen.recorder.note_with_memory(text, &self.inner.memory());
        result
    }
}

fn call_text(before: &str, name: &str, args: &[u64]) -> String {
    let mut text = format!("{before}{name}(");
    for (at, arg) in args.iter().enumerate() {
        write!(text, "{}{arg:#x}", if at == 0 { "" } else { ", " }).ok();
    }
    text.push(')');
    text
}

/// The trap's kind and words, which the boundary says are the same on every engine; not its backtrace, since not every
/// engine has names.
fn outcome(result: &Result<u64, Trap>) -> String {
    match result {
        Ok(value) => format!("returned {value:#x}"),
        Err(trap) => format!("trapped: {trap}"),
    }
}
