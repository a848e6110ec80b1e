//! What a configuration refers to that is not in it.

use std::path::Path;
use std::{env, fs, io};

/// Where the variables and files come from that a configuration names.
pub trait Outside {
    /// The value of an environment variable; `None` if it is not set or not text.
    fn variable(&self, name: &str) -> Option<String>;

    /// The content of a file.
    ///
    /// # Errors
    ///
    /// Whatever stands in the way of reading it.
    fn file(&self, path: &Path) -> io::Result<Vec<u8>>;
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
