//! The errors that end the command.

/// A message of one line that names the file, flag or field it is about. The command ends with 1.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Error(String);

impl Error {
    /// An error with this message, which is cut to its first line.
    pub(crate) fn new(message: impl AsRef<str>) -> Self {
        Error(message.as_ref().lines().next().unwrap_or_default().to_owned())
    }

    /// An error about a file or a flag.
    pub(crate) fn about(what: impl std::fmt::Display, why: impl std::fmt::Display) -> Self {
        Error::new(format!("{what}: {why}"))
    }
}
