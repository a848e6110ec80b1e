//! Properties of a stream: Envoy's attributes, and what plugins set.
//!
//! [`enginebay::abi::attributes`] has the table. In order: what the chain knows by itself, what the embedder says
//! ([`Attributes`](crate::Attributes)), what Envoy has where nobody says anything, and what plugins set.

pub(crate) mod connection;
mod filter_state;
mod request;
mod response;
pub(crate) mod write;

use std::rc::Rc;

use enginebay::PropertyDeclaration;
use enginebay::abi::{PropertyPath, Status};
use enginebay::host::LifeSpan;
use http::Version;

pub(crate) use filter_state::{FilterState, Key, Scopes};

use crate::state::State;
use crate::{ConnectionInfo, StreamView};
use write::put_value;

/// The attributes that are there below `xds` alone. All others of `xds` have an older name without it.
const XDS_ONLY: [&[u8]; 4] = [
    b"virtual_host_name",
    b"virtual_host_metadata",
    b"upstream_host_locality_metadata",
    b"filter_chain_name",
];

/// What is known of a stream besides its heads.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// If a plugin can ask for or set properties.
    pub(crate) connection: Option<Rc<ConnectionInfo>>,
    pub(crate) version: Version,
    /// When the request came, in nanoseconds on the monotonic clock, if a plugin can ask for it.
    pub(crate) started: u64,
    /// Bytes of body that came, by direction.
    pub(crate) received: [u64; 2],
    /// Bytes of the response's body that went out.
    pub(crate) sent: u64,
}

impl Facts {
    /// Of a request with this version, of which nothing else is known.
    pub(crate) fn new(version: Version) -> Self {
        Facts {
            connection: None,
            version,
            started: 0,
            received: [0; 2],
            sent: 0,
        }
    }
}

/// Writes a property.
pub(crate) fn get(state: &mut State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (object, rest) = path.split_first();
    match (object, rest) {
        (b"request", Some(rest)) => request::get(state, rest, out),
        (b"response", Some(rest)) => response::get(state, rest, out),
        (b"connection" | b"connection_id" | b"source" | b"destination", _) => {
            let info = state.facts.connection.as_deref();
            info.and_then(|info| connection::get(info, path, out))
        }
        // What plugins set may have a path of several parts.
        (b"filter_state", rest) => return scopes(state).get(Key::named(rest?.as_bytes()), out),
        _ => None,
    }
    .or_else(|| embedder(state, path, out))
    .or_else(|| default(path, out))
    .or_else(|| scopes(state).get(Key::property(path.as_bytes()), out))
}

/// What the embedder says; who was asked to say something last is asked first.
fn embedder(state: &State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    let path = embedders_path(path)?;
    let view = StreamView::new(Some(&state.request));
    if let Some(noted) = &state.noted
        && noted.attribute(&view, path, out)
    {
        return Some(());
    }
    let given = state.given.iter().rev().flatten().map(|given| &given.0);
    let connection = state.facts.connection.as_deref();
    let mut all = given.chain(connection.and_then(|connection| connection.attributes.as_ref()));
    all.any(|attributes| {
        out.clear();
        attributes.attribute(&view, path, out)
    })
    .then_some(())
}

/// A path as [`Attributes`](crate::Attributes) know it. `None` for one that is there below `xds` alone.
pub(crate) fn embedders_path(path: PropertyPath<'_>) -> Option<PropertyPath<'_>> {
    match path.split_first() {
        (name, _) if XDS_ONLY.contains(&name) => None,
        _ => Some(path.without_xds()),
    }
}

/// What Envoy has on every stream.
fn default(path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    match path.parts().next()? {
        b"connection" => connection::default(path, out),
        b"response" if path.is(&["response", "flags"]) => put_value(out, 0i64),
        b"upstream" if path.is(&["upstream", "request_attempt_count"]) => put_value(out, 0u64),
        // An empty message, and the empty map in it.
        b"metadata" if path.is(&["metadata"]) => Some(()),
        b"metadata" if path.is(&["metadata", "filter_metadata"]) => {
            out.extend_from_slice(&0u32.to_le_bytes());
            Some(())
        }
        _ => None,
    }
}

/// Sets a property.
pub(crate) fn set(
    state: &mut State,
    path: PropertyPath<'_>,
    value: &[u8],
    declared: &PropertyDeclaration,
) -> Status {
    let (options, key) = (state.options, Key::property(path.as_bytes()));
    scopes(state).set(&options, key, value, declared.read_only, declared.span)
}

/// Puts a value into the filter state.
pub(crate) fn set_filter_state(state: &mut State, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
    let options = state.options;
    scopes(state).set(&options, Key::named(key), value, false, span)
}

fn scopes(state: &mut State) -> Scopes<'_> {
    Scopes {
        stream: &mut state.filter_state,
        connection: state
            .facts
            .connection
            .as_deref()
            .and_then(|info| info.state.as_ref()),
    }
}

fn number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}
