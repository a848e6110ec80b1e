//! The one error of the boundary: a kind, and a message that stands alone.

/// What went wrong at the engine boundary outside of guest code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No runtime of that name is linked in.
    UnknownRuntime,
    /// Two runtimes claim one name.
    DuplicateRuntime,
    /// The engine can't do what was asked of it.
    Unsupported,
    /// The engine could not be set up on this machine.
    Setup,
    /// The bytes are not a valid WebAssembly module.
    InvalidModule,
    /// The module imports something the host doesn't offer.
    MissingImport,
    /// An import or export doesn't have the signature that was asked for.
    SignatureMismatch,
    /// The module alone asks for more than the limits allow.
    LimitExceeded,
    /// The engine couldn't compile the module.
    Compile,
    /// The module couldn't be instantiated.
    Instantiate,
}

/// An error of the engine boundary.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    trap: Option<crate::Trap>,
}

impl Error {
    /// An error of this kind. `message` is shown to people as it is.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error {
            kind,
            message: message.into(),
            trap: None,
        }
    }

    /// An [`ErrorKind::Instantiate`] error caused by a trap in the module's start function.
    pub fn start_trapped(trap: crate::Trap) -> Self {
        Error {
            kind: ErrorKind::Instantiate,
            message: format!("the module's start function failed: {trap}"),
            trap: Some(trap),
        }
    }

    /// What kind of error this is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The trap behind the error, where there is one.
    pub fn trap(&self) -> Option<&crate::Trap> {
        self.trap.as_ref()
    }
}
