//! What is wrong with a configuration, and where.

use std::fmt;

/// A configuration that was refused, with everything found wrong with it.
///
/// Displayed as one line per [`Problem`], each beginning with the file's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.lines())]
#[non_exhaustive]
pub struct ConfigError {
    /// The file the configuration came from, as it was named by the caller.
    pub file: String,
    /// What is wrong with it. Never empty.
    pub problems: Vec<Problem>,
}

impl ConfigError {
    /// An error with one problem that belongs to the whole file.
    #[must_use]
    pub fn new(file: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            problems: vec![Problem::new("", message)],
        }
    }

    pub(crate) fn from_problems(file: &str, problems: Vec<Problem>) -> Self {
        Self {
            file: file.to_owned(),
            problems,
        }
    }

    fn lines(&self) -> String {
        let lines: Vec<String> = self
            .problems
            .iter()
            .map(|problem| format!("{}: {problem}", self.file))
            .collect();
        lines.join("\n")
    }
}

/// One thing that is wrong.
///
/// Displayed as `path: message (line 3)`, or `line 3, column 5: message` where there is no path.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Problem {
    /// The field, for instance `static_resources.listeners[0].address`. Empty if the text could not be read at all.
    pub path: String,
    /// What is wrong with it and what to do.
    pub message: String,
    /// Where it is in the text, if that is known. For a missing field, where the message is that should have it.
    pub position: Option<Position>,
}

impl Problem {
    pub(crate) fn new(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            message: message.into(),
            position: None,
        }
    }

    pub(crate) fn at(mut self, position: Option<Position>) -> Self {
        self.position = position;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.path.as_str(), self.position) {
            ("", None) => out.write_str(&self.message),
            ("", Some(Position { line, column })) => {
                write!(out, "line {line}, column {column}: {}", self.message)
            }
            (path, None) => write!(out, "{path}: {}", self.message),
            (path, Some(Position { line, .. })) => write!(out, "{path}: {} (line {line})", self.message),
        }
    }
}

/// A place in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub line: usize,
    /// Counted from 1, in characters.
    pub column: usize,
}
