//! What may be used.

use std::path::PathBuf;
use std::time::Duration;

use enginebay_store::{Directory, Kind};

/// Limits and settings of a [`CodeSource`](crate::CodeSource).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Options {
    /// Bytes of one plugin's code, and of one download. More fails the fetch. Default 64 MiB.
    pub code_bytes: usize,
    /// Bytes of all files in a layer of an image once it is decompressed, up to the module. More fails the fetch. Default
    /// 256 MiB.
    pub unpacked_bytes: usize,
    /// Bytes of code that is kept in memory when nobody asks for it; the least recently used goes first. Default 256 MiB.
    pub memory_bytes: usize,
    /// Digests of which something is known: code, a fetch, or a failed one. The least recently used goes first. Default 1,024.
    pub entries: usize,
    /// How long code stays in memory after its last use. Default 24 hours, as on Envoy.
    pub positive_ttl: Duration,
    /// How long nothing is fetched after a fetch has failed. Default 10 seconds, as on Envoy.
    pub negative_ttl: Duration,
    /// Fetches under way at a time; further ones wait. Default 4.
    pub concurrent_fetches: usize,
    /// The time for one attempt where `http_uri.timeout` is 0, which for Envoy is no limit. Default 10 minutes.
    pub longest_fetch: Duration,
    /// A directory to keep code in, made if it is not there. Several processes can share it. Default none.
    pub directory: Option<PathBuf>,
    /// Bytes of code that is kept in the directory; the least recently used goes first. Default 1 GiB.
    pub directory_bytes: u64,
    /// The age at which what a killed process left half-written in the directory is removed. Default 10 minutes.
    pub temporary_age: Duration,
    /// Docker's `config.json` with the credentials for registries, read anew for each image. Default none.
    pub pull_secrets: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            code_bytes: 64 << 20,
            unpacked_bytes: 256 << 20,
            memory_bytes: 256 << 20,
            entries: 1024,
            positive_ttl: Duration::from_secs(24 * 60 * 60),
            negative_ttl: Duration::from_secs(10),
            concurrent_fetches: 4,
            longest_fetch: Duration::from_secs(10 * 60),
            directory: None,
            directory_bytes: 1 << 30,
            temporary_age: Duration::from_secs(10 * 60),
            pull_secrets: None,
        }
    }
}

impl Options {
    /// The directory, if there is one.
    pub(crate) fn directory(&self) -> Option<Directory> {
        let kind = Kind {
            name: "code cache",
            suffix: ".wasm",
            instead: "to be fetched again",
            otherwise: "the code is used from memory",
            max_bytes: self.directory_bytes,
            max_file: self.code_bytes as u64,
            temporary_age: self.temporary_age,
        };
        Some(Directory::new(self.directory.clone()?, kind))
    }
}
