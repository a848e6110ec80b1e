//! What goes with a request or a response besides its head and body.

use std::net::SocketAddr;

/// The connection a request came by, as an extension of the request. Plugins read it as the properties
/// `source.*`, `destination.*` and `connection.*`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// The address it connected to.
    pub local: Option<SocketAddr>,
    /// The connection's number (`connection.id`).
    pub id: Option<u64>,
}

impl ConnectionInfo {
    /// A connection between these addresses.
    pub fn new(peer: SocketAddr, local: SocketAddr) -> Self {
        ConnectionInfo {
            peer: Some(peer),
            local: Some(local),
            id: None,
        }
    }
}

/// Why the chain answered instead of the service, as an extension of that response: Envoy's
/// `%RESPONSE_CODE_DETAILS%`. `wasm_fail_stream` is a plugin that failed; a plugin's own reply has what the
/// plugin said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseDetails(pub String);
