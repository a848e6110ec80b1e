//! How a call into a guest fails.

use std::fmt;
use std::time::Duration;

use crate::HostError;

/// Why a guest stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TrapKind {
    /// The `unreachable` instruction: what most languages compile an abort or a panic to.
    Unreachable,
    /// An access outside the guest's memory.
    MemoryOutOfBounds,
    /// An access outside a table, or an indirect call to an empty or wrongly typed element.
    BadTableAccess,
    /// Integer division by zero, overflow, or a conversion without a result.
    Arithmetic,
    /// The guest's stack is used up.
    StackOverflow,
    /// The call's time limit was reached.
    Interrupted,
    /// The engine could not get the memory it needed to go on.
    OutOfMemory,
    /// A host function failed, or panicked.
    HostError,
    /// The guest called `proc_exit` with this code.
    Exit(u32),
    /// Anything else; the message says what.
    Other,
}

impl TrapKind {
    /// A short name, the same for every engine.
    pub fn name(self) -> &'static str {
        match self {
            TrapKind::Unreachable => "unreachable",
            TrapKind::MemoryOutOfBounds => "out of bounds memory access",
            TrapKind::BadTableAccess => "bad table access",
            TrapKind::Arithmetic => "arithmetic error",
            TrapKind::StackOverflow => "stack overflow",
            TrapKind::Interrupted => "time limit reached",
            TrapKind::OutOfMemory => "out of memory",
            TrapKind::HostError => "host error",
            TrapKind::Exit(_) => "proc_exit",
            TrapKind::Other => "trap",
        }
    }
}

/// The traps of WebAssembly itself. An engine translates its own to these, so that a trap reads the same on every engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TrapCode {
    /// The `unreachable` instruction.
    Unreachable,
    /// A load, store, or bulk operation outside the memory.
    MemoryOutOfBounds,
    /// A table instruction, or an indirect call, beyond the table's end.
    TableOutOfBounds,
    /// An indirect call to an element that is null.
    IndirectCallToNull,
    /// An indirect call to a function of another type.
    IndirectCallTypeMismatch,
    /// An integer division by zero.
    DivisionByZero,
    /// An integer division without a result that fits.
    IntegerOverflow,
    /// The conversion of a float without a result that fits.
    InvalidConversion,
    /// The stack is used up.
    StackOverflow,
    /// The engine could not get memory.
    OutOfMemory,
}

impl TrapCode {
    /// The kind, and what there is to say beyond it.
    fn describe(self) -> (TrapKind, &'static str) {
        match self {
            TrapCode::Unreachable => (TrapKind::Unreachable, ""),
            TrapCode::MemoryOutOfBounds => (TrapKind::MemoryOutOfBounds, ""),
            TrapCode::TableOutOfBounds => (TrapKind::BadTableAccess, "undefined element"),
            TrapCode::IndirectCallToNull => (TrapKind::BadTableAccess, "uninitialized element"),
            TrapCode::IndirectCallTypeMismatch => (TrapKind::BadTableAccess, "indirect call type mismatch"),
            TrapCode::DivisionByZero => (TrapKind::Arithmetic, "integer divide by zero"),
            TrapCode::IntegerOverflow => (TrapKind::Arithmetic, "integer overflow"),
            TrapCode::InvalidConversion => (TrapKind::Arithmetic, "invalid conversion to integer"),
            TrapCode::StackOverflow => (TrapKind::StackOverflow, ""),
            TrapCode::OutOfMemory => (TrapKind::OutOfMemory, ""),
        }
    }
}

impl From<TrapCode> for Trap {
    fn from(code: TrapCode) -> Self {
        let (kind, message) = code.describe();
        Trap::new(kind, message)
    }
}

/// One guest frame of a trap's backtrace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// Index of the function in its module, where the engine knows it.
    pub function: Option<u32>,
    /// The function's name, demangled.
    pub name: Option<String>,
}

impl Frame {
    /// A frame of function number `function`, called `name` in the module's name section. Rust's mangled
    /// names are made readable; other linkers do that themselves.
    pub fn new(function: Option<u32>, name: Option<&str>) -> Self {
        Frame {
            function,
            name: name.map(|name| format!("{:#}", rustc_demangle::demangle(name))),
        }
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.name, self.function) {
            (Some(name), _) => f.write_str(name),
            (None, Some(index)) => write!(f, "function {index}"),
            (None, None) => f.write_str("?"),
        }
    }
}

/// A call into a guest that did not come back.
///
/// One pointer wide, so that the result of a call that succeeds stays in registers.
#[derive(Clone)]
pub struct Trap(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: TrapKind,
    message: String,
    backtrace: Vec<Frame>,
}

impl Trap {
    /// A trap of this kind; `message` is the engine's or the host's own words, and may be empty.
    pub fn new(kind: TrapKind, message: impl Into<String>) -> Self {
        Trap(Box::new(Inner {
            kind,
            message: message.into(),
            backtrace: Vec::new(),
        }))
    }

    /// The trap of a call that met its time limit.
    #[cold]
    pub fn interrupted(limit: Duration) -> Self {
        Trap::new(
            TrapKind::Interrupted,
            format!("the call took longer than {limit:?}"),
        )
    }

    /// The trap of the call that would be nested deeper than the engine lets calls into the guest be.
    #[cold]
    pub fn nested_too_deep(limit: u32) -> Self {
        Trap::new(
            TrapKind::StackOverflow,
            format!("more than {limit} calls into the guest, one inside the other"),
        )
    }

    /// The trap of a call to an export that the module doesn't have.
    #[cold]
    pub fn missing_export(name: &str) -> Self {
        Trap::new(TrapKind::Other, format!("the module has no export {name}"))
    }

    /// The trap of a call to an export with this many arguments where it takes another number.
    #[cold]
    pub fn wrong_arguments(name: &str, given: usize) -> Self {
        Trap::new(
            TrapKind::Other,
            format!("{name} was called with {given} arguments, which is not what it takes"),
        )
    }

    /// The trap that a failed host function becomes. One that came out of a nested call into the
    /// guest stays what it was.
    pub fn from_host_error(error: HostError) -> Self {
        use crate::HostErrorKind;
        match error.into_kind() {
            HostErrorKind::Trap(trap) => trap,
            HostErrorKind::Exit(code) => Trap::new(TrapKind::Exit(code), format!("exit code {code}")),
            HostErrorKind::Panic(message) => Trap::new(
                TrapKind::HostError,
                format!("a host function panicked: {message}"),
            ),
            HostErrorKind::Other(error) => Trap::new(TrapKind::HostError, error.to_string()),
        }
    }

    /// Adds the guest's frames, innermost first, unless there are some already: those of a nested call,
    /// which reach through to the outer one.
    #[must_use]
    pub fn with_backtrace(mut self, frames: impl IntoIterator<Item = Frame>) -> Self {
        if self.0.backtrace.is_empty() {
            self.0.backtrace.extend(frames);
        }
        self
    }

    /// Why the guest stopped.
    pub fn kind(&self) -> TrapKind {
        self.0.kind
    }

    /// More about it, in the engine's or the host's words; may be empty.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The guest's frames, innermost first; empty where the engine has none.
    pub fn backtrace(&self) -> &[Frame] {
        &self.0.backtrace
    }
}

impl fmt::Display for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.kind.name())?;
        if !self.0.message.is_empty() {
            write!(f, ": {}", self.0.message)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Trap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trap")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("backtrace", &self.0.backtrace)
            .finish()
    }
}

impl std::error::Error for Trap {}
