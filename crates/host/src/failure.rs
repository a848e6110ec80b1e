//! How a plugin fails.

use std::fmt;
use std::sync::Arc;

use enginebay_engine::{ErrorKind, Trap};

/// Envoy's fail states: at what point a VM failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FailState {
    /// The runtime is not there, or can't be set up.
    UnableToCreateVm,
    /// A worker's VM could not be made from the loaded code.
    UnableToCloneVm,
    /// The module lacks an export that every plugin needs.
    MissingFunction,
    /// The code could not be loaded, linked or initialised.
    UnableToInitializeCode,
    /// `proxy_on_vm_start` returned false or trapped.
    StartFailed,
    /// `proxy_on_configure` returned false or trapped.
    ConfigureFailed,
    /// Any other callback trapped.
    RuntimeError,
}

impl FailState {
    /// The name, as Envoy writes it.
    pub fn name(self) -> &'static str {
        match self {
            FailState::UnableToCreateVm => "UnableToCreateVm",
            FailState::UnableToCloneVm => "UnableToCloneVm",
            FailState::MissingFunction => "MissingFunction",
            FailState::UnableToInitializeCode => "UnableToInitializeCode",
            FailState::StartFailed => "StartFailed",
            FailState::ConfigureFailed => "ConfigureFailed",
            FailState::RuntimeError => "RuntimeError",
        }
    }
}

impl fmt::Display for FailState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a plugin could not be loaded, or why its VM is of no use any more.
///
/// Cheap to clone: a VM that failed gives the same failure to everybody who asks.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{}", self.0.message)]
pub struct Failure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: FailState,
    message: String,
    function: Option<&'static str>,
    trap: Option<Trap>,
}

impl Failure {
    /// A failure at this point; `message` is shown to people as it is.
    pub fn new(state: FailState, message: impl Into<String>) -> Self {
        Failure::with(state, message.into(), None, None)
    }

    fn with(state: FailState, message: String, function: Option<&'static str>, trap: Option<Trap>) -> Self {
        Failure(Arc::new(Inner {
            state,
            message,
            function,
            trap,
        }))
    }

    /// What an engine said when it was asked for a VM or a module.
    pub fn from_engine(error: &enginebay_engine::Error) -> Self {
        let state = match error.kind() {
            ErrorKind::UnknownRuntime
            | ErrorKind::DuplicateRuntime
            | ErrorKind::Setup
            | ErrorKind::Unsupported => FailState::UnableToCreateVm,
            ErrorKind::Instantiate => FailState::UnableToCloneVm,
            _ => FailState::UnableToInitializeCode,
        };
        Failure::with(state, error.to_string(), None, error.trap().cloned())
    }

    pub(crate) fn trapped(state: FailState, function: &'static str, trap: Trap) -> Self {
        let mut message = format!("Function: {function} failed: {trap}");
        if !trap.backtrace().is_empty() {
            message += "\nProxy-Wasm plugin in-VM backtrace:";
            for (number, frame) in trap.backtrace().iter().enumerate() {
                message += &format!("\n  {number}: {frame}");
            }
        }
        Failure::with(state, message, Some(function), Some(trap))
    }

    /// At what point it failed.
    pub fn state(&self) -> FailState {
        self.0.state
    }

    /// The export that trapped, if one did.
    pub fn function(&self) -> Option<&'static str> {
        self.0.function
    }

    /// The trap, if there was one.
    pub fn trap(&self) -> Option<&Trap> {
        self.0.trap.as_ref()
    }
}
