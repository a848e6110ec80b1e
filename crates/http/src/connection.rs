//! What goes with a request or a response besides its head and body.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use enginebay::abi::Status;

use crate::properties::{FilterState, Key};
use crate::{Attributes, ChainOptions};

/// The connection a request came by, as an extension of the request. Plugins read it as the properties
/// `source.*`, `destination.*` and `connection.*`.
///
/// Make one for each connection, and give each of its requests a clone: that costs no allocation.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The client's address.
    pub peer: Option<SocketAddr>,
    /// The address it connected to.
    pub local: Option<SocketAddr>,
    /// The connection's number (`connection.id`).
    pub id: Option<u64>,
    /// What plugins put into the filter state of the connection. Without one, that is lost with the request.
    pub state: Option<ConnectionState>,
    /// What else the embedder knows of the connection, such as its TLS, and of all its requests.
    pub attributes: Option<Arc<dyn Attributes + Send + Sync>>,
}

impl ConnectionInfo {
    /// A connection between these addresses, with a filter state.
    pub fn new(peer: SocketAddr, local: SocketAddr) -> Self {
        ConnectionInfo {
            peer: Some(peer),
            local: Some(local),
            state: Some(ConnectionState::default()),
            ..ConnectionInfo::default()
        }
    }
}

impl fmt::Debug for ConnectionInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionInfo")
            .field("peer", &self.peer)
            .field("local", &self.local)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

/// The part of the filter state that lives as long as the connection (`DownstreamConnection`). Clones share it. It may
/// hold as much as that of one stream: see [`ChainOptions::properties`](crate::ChainOptions::properties).
#[derive(Clone, Default)]
pub struct ConnectionState(Arc<Mutex<FilterState>>);

impl ConnectionState {
    /// Sets a value, which plugins read as `filter_state` and its key. A plugin's own property has `wasm.` in front of its
    /// path. Says whether it could: not if a plugin has set it for good.
    pub fn set(&self, key: &[u8], value: &[u8]) -> bool {
        // Bounds are for plugins.
        let options = ChainOptions {
            properties: usize::MAX,
            property_bytes: usize::MAX,
            ..ChainOptions::default()
        };
        self.lock().set(&options, Key::named(key), value, false) == Status::Ok
    }

    /// A value that was set, by whomever.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.lock().get(Key::named(key)).map(<[u8]>::to_vec)
    }

    /// Nobody panics while holding it, and a value is set as a whole, so that a poisoned one is as good as any.
    pub(crate) fn lock(&self) -> MutexGuard<'_, FilterState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for ConnectionState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ConnectionState").finish_non_exhaustive()
    }
}

/// Why the chain answered instead of the service, as an extension of that response: Envoy's
/// `%RESPONSE_CODE_DETAILS%`, and the property `response.code_details`. `wasm_fail_stream` is a plugin that failed; a
/// plugin's own reply has what the plugin said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseDetails(pub String);
