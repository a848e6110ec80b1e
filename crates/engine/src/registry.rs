//! Runtimes by name.

use std::sync::Arc;

use crate::{Capabilities, Compiler, Engine, EngineOptions, Error, ErrorKind, ResolvedLimits};

/// Makes an engine that keeps these limits.
pub type Factory = fn(&EngineOptions, ResolvedLimits) -> Result<Arc<dyn Engine>, Error>;

/// A way to run guests, as the registry knows it.
#[derive(Clone, Copy, Debug)]
pub struct Runtime {
    /// The name it is configured by, for example `envoy.wasm.runtime.wasmtime`.
    pub name: &'static str,
    /// Other names it answers to.
    pub aliases: &'static [&'static str],
    /// The engine behind it, with its version, for people.
    pub engine: &'static str,
    /// What it can do.
    pub capabilities: Capabilities,
    /// Makes the engine. Called through [`Runtime::create`].
    pub factory: Factory,
}

inventory::collect!(Runtime);

impl Runtime {
    /// Makes an engine.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`] for a limit the runtime can't keep, or a compiler that it doesn't have; [`ErrorKind::Setup`] when the engine
    /// can't be set up on this machine.
    pub fn create(&self, options: &EngineOptions) -> Result<Arc<dyn Engine>, Error> {
        let limits = options.limits.resolve(self.name, &self.capabilities)?;
        if options.compiler == Compiler::Baseline && !self.capabilities.baseline_compiler {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!(
                    "{} has no baseline compiler: leave the option out, or choose another runtime",
                    self.name
                ),
            ));
        }
        (self.factory)(options, limits)
    }
}

/// A runtime found by name.
#[derive(Clone, Copy, Debug)]
pub struct Found<'a> {
    /// The runtime.
    pub runtime: &'a Runtime,
    /// Whether it was found by one of its aliases.
    pub by_alias: bool,
}

/// A set of runtimes, each with a name of its own.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    runtimes: Vec<Runtime>,
    absent: Vec<(&'static str, &'static str)>,
}

impl Registry {
    /// A registry without a runtime.
    pub fn empty() -> Self {
        Registry::default()
    }

    /// All runtimes that the program links and that were submitted with [`submit!`](crate::submit), by name.
    ///
    /// # Errors
    /// [`ErrorKind::DuplicateRuntime`] when two of them claim one name.
    pub fn linked() -> Result<Self, Error> {
        let mut registry = Registry::empty();
        for runtime in inventory::iter::<Runtime> {
            registry.register(*runtime)?;
        }
        registry.runtimes.sort_by_key(|runtime| runtime.name);
        Ok(registry)
    }

    /// Adds a runtime: for programs where [`submit!`](crate::submit) does not reach, such as a static library
    /// linked from C, and for tests.
    ///
    /// # Errors
    /// [`ErrorKind::DuplicateRuntime`] when one of its names is taken.
    pub fn register(&mut self, runtime: Runtime) -> Result<(), Error> {
        let names = std::iter::once(&runtime.name).chain(runtime.aliases);
        for name in names {
            if let Some(other) = self.find(name) {
                return Err(Error::new(
                    ErrorKind::DuplicateRuntime,
                    format!(
                        "{} and {} both claim the name {name}",
                        other.runtime.name, runtime.name
                    ),
                ));
            }
        }
        self.runtimes.push(runtime);
        Ok(())
    }

    /// Tells [`Registry::get`] about names that exist but may not be linked in, each with the cargo feature
    /// that would add it.
    #[must_use]
    pub fn with_features(mut self, names: &[(&'static str, &'static str)]) -> Self {
        self.absent.extend_from_slice(names);
        self
    }

    /// All runtimes.
    pub fn iter(&self) -> impl Iterator<Item = &Runtime> {
        self.runtimes.iter()
    }

    /// The names of all runtimes, their aliases included.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.runtimes
            .iter()
            .flat_map(|runtime| std::iter::once(runtime.name).chain(runtime.aliases.iter().copied()))
    }

    /// The names that [`Registry::with_features`] told of and that are not linked in, each with the cargo feature that
    /// would add it.
    pub fn absent(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let absent = self.absent.iter().copied();
        absent.filter(|(name, _)| self.find(name).is_none())
    }

    /// The runtime of this name or alias.
    pub fn find(&self, name: &str) -> Option<Found<'_>> {
        self.runtimes.iter().find_map(|runtime| {
            let by_alias = runtime.aliases.contains(&name);
            (by_alias || runtime.name == name).then_some(Found { runtime, by_alias })
        })
    }

    /// The runtime of this name or alias.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownRuntime`], with the names that are there and, where the name is known, the cargo
    /// feature that would add it.
    pub fn get(&self, name: &str) -> Result<Found<'_>, Error> {
        self.find(name).ok_or_else(|| self.unknown(name))
    }

    fn unknown(&self, name: &str) -> Error {
        let mut message = format!("Failed to create Wasm VM using {name} runtime. ");
        if let Some((_, feature)) = self.absent.iter().find(|(absent, _)| *absent == name) {
            message += &format!("It is not compiled in: build with the cargo feature `{feature}`. ");
        }
        if self.runtimes.is_empty() {
            message += "No runtime is compiled in";
        } else {
            let names: Vec<&str> = self.names().collect();
            message += &format!("Available: {}", names.join(", "));
        }
        Error::new(ErrorKind::UnknownRuntime, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fake(name: &'static str, aliases: &'static [&'static str]) -> Runtime {
        Runtime {
            name,
            aliases,
            engine: "fake 1.0",
            capabilities: Capabilities::WASM,
            factory: |_, _| Err(Error::new(ErrorKind::Setup, "fake")),
        }
    }

    #[test]
    fn found_by_name_and_by_alias() {
        let mut registry = Registry::empty();
        registry.register(fake("a", &["b"])).unwrap();
        assert!(!registry.get("a").unwrap().by_alias);
        let found = registry.get("b").unwrap();
        assert!(found.by_alias);
        assert_eq!(found.runtime.name, "a");
    }

    #[test]
    fn names_that_are_there_and_names_that_are_not() {
        let mut registry = Registry::empty();
        registry.register(fake("a", &["b"])).unwrap();
        let registry = registry.with_features(&[("a", "one"), ("b", "one"), ("c", "two")]);
        assert_eq!(registry.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(registry.absent().collect::<Vec<_>>(), [("c", "two")]);
    }

    #[test]
    fn a_name_belongs_to_one_runtime() {
        let mut registry = Registry::empty();
        registry.register(fake("a", &["b"])).unwrap();
        let error = registry.register(fake("b", &[])).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::DuplicateRuntime);
        assert_eq!(error.to_string(), "a and b both claim the name b");
    }

    #[test]
    fn a_compiler_that_is_not_there_is_refused() {
        let options = EngineOptions {
            compiler: Compiler::Baseline,
            ..EngineOptions::default()
        };
        let error = fake("a", &[]).create(&options).map(drop).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(
            error.to_string().starts_with("a has no baseline compiler: "),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_name_says_what_there_is() {
        let mut registry = Registry::empty().with_features(&[("z", "zed")]);
        assert_eq!(
            registry.get("x").unwrap_err().to_string(),
            "Failed to create Wasm VM using x runtime. No runtime is compiled in"
        );
        registry.register(fake("a", &["b"])).unwrap();
        assert_eq!(
            registry.get("z").unwrap_err().to_string(),
            "Failed to create Wasm VM using z runtime. It is not compiled in: build with the cargo feature `zed`. \
             Available: a, b"
        );
    }
}
