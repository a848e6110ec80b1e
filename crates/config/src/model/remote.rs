//! Code to fetch.

use std::time::Duration;

use super::BackOff;

/// Code to fetch over HTTP (`envoy.config.core.v3.RemoteDataSource`).
///
/// The request goes to the hosts of a cluster, over TLS if the cluster has it: the URI says what to ask for, and not
/// whom.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RemoteCode {
    /// `http_uri.uri` as it was given, for messages and as part of a cache's key. Never empty.
    pub uri: String,
    /// What the URI begins with.
    pub scheme: RemoteScheme,
    /// The host of the URI, with its port if it has one: the `:authority` to send. Never empty.
    pub authority: String,
    /// What the URI has after the host, its query with it. Begins with `/`.
    pub path: String,
    /// `http_uri.cluster`: the cluster to send the request to, one of
    /// [`Bootstrap::clusters`](super::Bootstrap::clusters) where there is a bootstrap. Never empty.
    pub cluster: String,
    /// `http_uri.timeout`: how long one attempt may take, to its last byte. Zero is no limit, as in Envoy. Less than
    /// 2^32 s.
    pub timeout: Duration,
    /// `sha256`: the digest that the code must have, as 64 lower-case hexadecimal digits.
    pub sha256: String,
    /// `retry_policy.num_retries`: how many attempts there are after the first. 1 unless given, 1000 at most.
    pub num_retries: u32,
    /// `retry_policy.retry_back_off`: how long to wait between attempts. 1 s, growing to 10 s, unless given.
    pub back_off: BackOff,
}

/// What the URI of remote code begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RemoteScheme {
    /// `http`, or nothing, which Envoy takes too.
    Http,
    /// `https`. Whether TLS is spoken is for the cluster to say; this is the `:scheme` of the request.
    Https,
    /// `oci`: an image in a registry; the path is its name with a tag or a digest. Not in Envoy.
    Oci,
}
