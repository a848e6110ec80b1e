//! The suite: every case there is for a host, by name.

mod cases;
mod compiled;
mod engine;
mod expected;
mod guests;

use crate::below;
use crate::host::Host;

#[cfg(feature = "null")]
pub(crate) use compiled::NATIVE_PLUGIN;
pub use expected::{EXPECTED, Expected};

/// A case, for one host.
pub struct Check<'h> {
    name: String,
    lacks: Option<String>,
    run: Box<dyn Fn() -> Result<(), String> + 'h>,
}

impl<'h> Check<'h> {
    pub(crate) fn new(name: impl Into<String>, run: impl Fn() -> Result<(), String> + 'h) -> Self {
        Check {
            name: name.into(),
            lacks: None,
            run: Box::new(run),
        }
    }

    /// The same case, for a host that it is not about: why.
    #[must_use]
    pub(crate) fn lacking(mut self, why: Option<impl Into<String>>) -> Self {
        self.lacks = why.map(Into::into);
        self
    }

    /// The name, such as `abi/0.2.1/proxy_get_buffer_bytes/start_beyond_end`. It stays what it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why the host need not be asked.
    pub fn lacks(&self) -> Option<&str> {
        self.lacks.as_deref()
    }

    /// Runs it.
    ///
    /// # Errors
    /// What was wrong.
    pub fn run(&self) -> Result<(), String> {
        (self.run)()
    }
}

/// All cases for a host, in an order that stays the same: those that share a guest follow each other.
pub fn checks(host: &dyn Host) -> Vec<Check<'_>> {
    let mut checks = cases::checks(host);
    checks.extend(compiled::checks(host));
    if let Some(runtime) = host.runtime() {
        checks.extend(engine::checks(*runtime));
        checks.extend(guests::checks(*runtime));
        checks.extend(below::checks(*runtime));
    }
    checks
}

/// The area of a case: what stands in the first column of a table. `abi/0.2.1` of `abi/0.2.1/proxy_log/ok`, `engine` of
/// `engine/traps/unreachable`.
pub fn area(name: &str) -> &str {
    let parts = match name.split('/').next() {
        Some("abi" | "compiled" | "start" | "wasi") => 2,
        _ => 1,
    };
    match name.match_indices('/').nth(parts - 1) {
        Some((at, _)) => &name[..at],
        None => name,
    }
}
