//! What a configuration refers to that is not in it.

use std::path::Path;
use std::{env, fs, io};

use crate::error::Problem;

/// Where the variables and files come from that a configuration names, and what else it means there.
pub trait Outside {
    /// The value of an environment variable; `None` if it is not set or not text.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// Whatever stands in the way of reading it.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// The names of the runtimes there are, their other names included: any other `vm_config.runtime` is an error, which
    /// lists them. `None`, as here unless overridden, takes every name.
    fn runtimes(&self) -> Option<Vec<String>> {
        None
    }

    /// The cargo feature that would add this runtime, which is not there. `None`, as here unless overridden, if none is
    /// known that would.
    fn feature_of(&self, runtime: &str) -> Option<String> {
        let _ = runtime;
        None
    }

    /// The runtime of plugins that name none. `None`, as here unless overridden, makes that an error.
    fn default_runtime(&self) -> Option<String> {
        None
    }

    /// Told of each thing that is most likely a mistake, but none that makes the configuration useless. Unless
    /// overridden, a log message of the level `WARN`.
    fn warn(&self, file: &str, warning: &Problem) {
        tracing::warn!("{file}: {warning}");
    }
}

/// The environment and the files of this process.
#[derive(Debug, Clone, Copy, Default)]
pub struct Process;

impl Outside for Process {
    fn variable(&self, name: &str) -> Option<String> {
        env::var(name).ok()
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }
}

/// Another [`Outside`], with runtimes.
#[derive(Debug, Clone, Default)]
pub struct Runtimes<O> {
    /// Where all else comes from.
    pub outside: O,
    /// The names of the runtimes there are.
    pub known: Vec<String>,
    /// The names of runtimes that are not there, each with the cargo feature that would add it.
    pub absent: Vec<(String, String)>,
    /// The runtime of plugins that name none, if they need not name one.
    pub default: Option<String>,
}

impl<O: Outside> Outside for Runtimes<O> {
    fn variable(&self, name: &str) -> Option<String> {
        self.outside.variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        self.outside.file(path)
    }

    fn runtimes(&self) -> Option<Vec<String>> {
        Some(self.known.clone())
    }

    fn feature_of(&self, runtime: &str) -> Option<String> {
        let mut absent = self.absent.iter();
        let (_, feature) = absent.find(|(name, _)| name == runtime)?;
        Some(feature.clone())
    }

    fn default_runtime(&self) -> Option<String> {
        self.default.clone()
    }

    fn warn(&self, file: &str, warning: &Problem) {
        self.outside.warn(file, warning);
    }
}
