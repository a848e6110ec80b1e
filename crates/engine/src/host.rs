//! Calls from a guest to its host.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{ExportId, Memory, Trap};

/// The object that answers one instance's host calls.
///
/// It is shared with the engine by reference count and called through `&self`, because a host function
/// may call back into the guest, which may call a host function again: keep state in cells, and keep no
/// borrow of it across [`Guest::call`].
pub trait Host: 'static {
    /// Runs host function number `function`, its place in [`LoadRequest::imports`](crate::LoadRequest::imports).
    ///
    /// `args` has one raw word for each parameter of the function's signature: `i32` zero-extended, floats
    /// as their bits. The result is a raw word too, and is ignored where the signature has none.
    ///
    /// # Errors
    /// An error ends the guest's call with a trap; it is for what a guest can't go on from. Everything else
    /// is a status in the result.
    fn call(&self, function: usize, guest: &mut dyn Guest, args: &[u64]) -> Result<u64, HostError>;
}

/// A guest, as a running host function sees it, and as its owner does between calls.
pub trait Guest {
    /// The guest's memory. Empty when the guest exports none.
    fn memory(&mut self) -> Memory<'_>;

    /// Calls an export, with one raw word for each parameter. The result is 0 for an export without one.
    ///
    /// # Errors
    /// The [`Trap`] that ended the call; also when the module has no such export.
    fn call(&mut self, export: ExportId, args: &[u64]) -> Result<u64, Trap>;
}

/// Why a host function gave up.
#[derive(Debug)]
#[non_exhaustive]
pub enum HostErrorKind {
    /// The guest asked to end (`proc_exit`) with this code.
    Exit(u32),
    /// A call back into the guest trapped.
    Trap(Trap),
    /// The host function panicked with this message.
    Panic(String),
    /// Any other error.
    Other(Box<dyn std::error::Error + Send + Sync>),
}

/// The error of a host function. One pointer wide.
#[derive(Debug)]
pub struct HostError(Box<HostErrorKind>);

impl HostError {
    /// The error of a guest that called `proc_exit`.
    pub fn exit(code: u32) -> Self {
        HostError(Box::new(HostErrorKind::Exit(code)))
    }

    /// Any error, as one that ends the guest's call.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        HostError(Box::new(HostErrorKind::Other(error.into())))
    }

    /// What happened.
    pub fn into_kind(self) -> HostErrorKind {
        *self.0
    }

    fn panic(payload: Box<dyn Any + Send>) -> Self {
        let message = match payload.downcast::<String>() {
            Ok(message) => *message,
            Err(payload) => match payload.downcast::<&'static str>() {
                Ok(message) => (*message).to_owned(),
                Err(_) => "no message".to_owned(),
            },
        };
        HostError(Box::new(HostErrorKind::Panic(message)))
    }
}

impl From<Trap> for HostError {
    fn from(trap: Trap) -> Self {
        HostError(Box::new(HostErrorKind::Trap(trap)))
    }
}

impl fmt::Display for HostError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            HostErrorKind::Exit(code) => write!(f, "exit code {code}"),
            HostErrorKind::Trap(trap) => trap.fmt(f),
            HostErrorKind::Panic(message) => write!(f, "a host function panicked: {message}"),
            HostErrorKind::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for HostError {}

/// Runs a host function for an engine, turning a panic into an error: no panic unwinds into the engine.
///
/// An engine that carries panics through the guest's frames by itself can call [`Host::call`] directly, and
/// [`catch_panic`] once around the outermost call into the guest.
///
/// # Errors
/// The host function's own error, or [`HostErrorKind::Panic`].
#[inline]
pub fn invoke(
    host: &dyn Host,
    function: usize,
    guest: &mut dyn Guest,
    args: &[u64],
) -> Result<u64, HostError> {
    // The host is called through `&self` and keeps its state in cells whose borrows end with the unwinding,
    // and the instance is not entered again after the trap: nobody sees a half-changed state.
    match catch_unwind(AssertUnwindSafe(|| host.call(function, guest, args))) {
        Ok(result) => result,
        Err(payload) => Err(HostError::panic(payload)),
    }
}

/// Runs an outermost call into a guest, turning the panic of a host function in it into a trap.
///
/// # Errors
/// The call's own trap, or the one that a panic becomes.
#[inline]
pub fn catch_panic<T>(call: impl FnOnce() -> Result<T, Trap>) -> Result<T, Trap> {
    // As in `invoke`: the host's state is in cells, and the instance is not entered again.
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(result) => result,
        Err(payload) => Err(Trap::from_host_error(HostError::panic(payload))),
    }
}
