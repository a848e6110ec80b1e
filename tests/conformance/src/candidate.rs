//! The hosts that a run can be about.

use enginebay::engine::Runtime;

use crate::engine::{EngineHost, short};
use crate::host::Host;
use crate::suite::{EXPECTED, Expected};

type Make = Box<dyn Fn() -> Result<Box<dyn Host>, String> + Send + Sync>;

/// A host that the suite can be run on, by name. It is made in the process that runs its cases.
pub struct Candidate {
    name: String,
    also: Vec<String>,
    make: Make,
    expected: Vec<Expected>,
}

impl Candidate {
    /// A host that is made by this function. `name` must be the host's own.
    pub fn new(
        name: impl Into<String>,
        make: impl Fn() -> Result<Box<dyn Host>, String> + Send + Sync + 'static,
    ) -> Self {
        Candidate {
            name: name.into(),
            also: Vec::new(),
            make: Box::new(make),
            expected: Vec::new(),
        }
    }

    /// enginebay's host on this runtime, by the last part of the runtime's name. The whole name and the aliases are known
    /// too, and their last parts.
    pub fn runtime(runtime: Runtime) -> Self {
        let make = move || -> Result<Box<dyn Host>, String> { Ok(Box::new(EngineHost::new(runtime)?)) };
        let mut candidate = Candidate::new(short(runtime.name), make);
        for name in std::iter::once(runtime.name).chain(runtime.aliases.iter().copied()) {
            candidate.also.extend([name, short(name)].map(str::to_owned));
        }
        candidate
    }

    /// These cases are expected to fail. One that passes nonetheless is a failure.
    #[must_use]
    pub fn expecting(mut self, expected: &[Expected]) -> Self {
        self.expected.extend_from_slice(expected);
        self
    }

    /// The host's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether this is one of the names under which the host is known.
    pub fn is_called(&self, name: &str) -> bool {
        self.name == name || self.also.iter().any(|also| also == name)
    }

    /// Cases that are expected to fail.
    pub fn expected(&self) -> &[Expected] {
        &self.expected
    }

    /// Makes the host.
    ///
    /// # Errors
    /// Why it can't be made.
    pub fn host(&self) -> Result<Box<dyn Host>, String> {
        (self.make)()
    }

    /// Why a case is expected to fail.
    pub fn expects(&self, case: &str) -> Option<&'static str> {
        self.expected
            .iter()
            .find(|expected| expected.is_of(case))
            .map(|expected| expected.reason)
    }
}

/// Every runtime that is linked into the program, by the last part of its name.
///
/// # Errors
/// Two linked crates claim one name.
pub fn linked() -> Result<Vec<Candidate>, String> {
    let registry = enginebay::registry().map_err(|error| error.to_string())?;
    let candidates = registry.iter().map(|runtime| {
        let candidate = Candidate::runtime(*runtime);
        let known = EXPECTED.iter().filter(|(host, _)| *host == candidate.name());
        let known: Vec<Expected> = known.map(|(_, known)| *known).collect();
        candidate.expecting(&known)
    });
    Ok(candidates.collect())
}
