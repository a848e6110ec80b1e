//! Why code can't be had.

use std::sync::Arc;
use std::time::Duration;

use crate::Digest;

/// Why one fetch failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// `http_uri.uri` is not one that can be fetched.
    #[error("invalid URI: {0}")]
    Uri(String),
    /// `sha256` is not 64 hexadecimal digits.
    #[error("sha256 is not 64 hexadecimal digits")]
    Sha256,
    /// [`Fetch::get`](crate::Fetch::get) knows no such cluster.
    #[error("no cluster {0}")]
    NoCluster(String),
    /// The request could not be sent, or the response ended before its end.
    #[error("network error: {0}")]
    Network(String),
    /// `http_uri.timeout` passed before the last byte was there.
    #[error("no complete response within {0:?}")]
    Timeout(Duration),
    /// An answer that is not 200.
    #[error("response status code {0}")]
    Status(u16),
    /// A body, or a file of an image, that is larger than allowed.
    #[error("larger than {0} bytes")]
    TooLarge(usize),
    /// A body of no bytes.
    #[error("body is empty")]
    Empty,
    /// Not the code that was asked for.
    #[error("data is invalid: its SHA-256 is {actual}, expected {expected}")]
    WrongHash {
        /// What `sha256` says.
        expected: Digest,
        /// What came.
        actual: Digest,
    },
    /// An image that is not as it must be.
    #[error("image: {0}")]
    Image(String),
    /// Docker's configuration has no credentials that can be used.
    #[error("pull secrets: {0}")]
    Secrets(String),
    /// The [`Driver`](crate::Driver) is gone.
    #[error("nothing fetches code here (any more)")]
    Ended,
}

impl Reason {
    /// Whether it is the configuration that is wrong, so that another attempt ends in the same way.
    pub(crate) fn is_permanent(&self) -> bool {
        matches!(self, Reason::Uri(_) | Reason::Sha256 | Reason::Secrets(_))
    }

    /// An error with what caused it.
    pub(crate) fn network(error: &(dyn std::error::Error + 'static)) -> Reason {
        let mut text = error.to_string();
        let mut next = error.source();
        while let Some(cause) = next {
            text = format!("{text}: {cause}");
            next = cause.source();
        }
        Reason::Network(text)
    }
}

/// Code that could not be loaded, after all retries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("failed to load{} from {uri}: {reason}", if *.cached { " (cached)" } else { "" })]
#[non_exhaustive]
pub struct LoadError {
    /// Where it should have come from, without what may be secret (a query, credentials).
    pub uri: Arc<str>,
    /// Why the last attempt failed.
    pub reason: Reason,
    /// Nothing was fetched now: the last fetch failed a moment ago.
    pub cached: bool,
}
