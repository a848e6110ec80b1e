//! Properties of a TCP connection (Envoy's attributes).

use enginebay::abi::{PropertyPath, Status};
use enginebay::host::LifeSpan;

use super::state::State;
use crate::StreamView;
use crate::properties::write::{put_size, put_value};
use crate::properties::{Key, Scopes, connection, embedders_path};

/// Writes a property. In order, as for HTTP: what the chain knows, what the embedder says, what Envoy has where nobody says
/// anything, and what plugins set.
pub(super) fn get(state: &mut State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    if let (b"filter_state", rest) = path.split_first() {
        return scopes(state).get(Key::named(rest?.as_bytes()), out);
    }
    connection::get(&state.info, path, out)
        .or_else(|| upstream(state, path, out))
        .or_else(|| whole(state, path, out))
        .or_else(|| embedder(state, path, out))
        .or_else(|| {
            out.clear();
            connection::default(path, out)
        })
        .or_else(|| scopes(state).get(Key::property(path.as_bytes()), out))
}

fn upstream(state: &State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = path.parts();
    let (b"upstream", Some(field), None) = (parts.next()?, parts.next(), parts.next()) else {
        return None;
    };
    match field {
        b"local_address" => connection::address(state.upstream_local?, b"address", out),
        field => connection::address(state.upstream?, field, out),
    }
}

/// What Envoy says of a connection in the words it has for requests. Of neither is a duration known before its end.
fn whole(state: &State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = path.parts();
    match (parts.next()?, parts.next()?, parts.next()) {
        (b"request", b"time", None) => put_size(out, state.started_realtime),
        (b"request", b"duration", None) => put_value(out, state.taken?),
        (b"request", b"size" | b"total_size", None) => put_size(out, state.received),
        (b"response", b"size" | b"total_size", None) => put_size(out, state.sent),
        _ => None,
    }
}

fn embedder(state: &State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    out.clear();
    let attributes = state.info.attributes.as_ref()?;
    let path = embedders_path(path)?;
    attributes
        .attribute(&StreamView::new(None), path, out)
        .then_some(())
}

/// The filter state of a connection lives in its [`ConnectionInfo`](crate::ConnectionInfo), if that has one: whatever its
/// life span, it ends with the connection.
fn scopes(state: &mut State) -> Scopes<'_> {
    Scopes {
        stream: &mut state.filter_state,
        connection: state.info.state.as_ref(),
    }
}

/// Sets a value of the filter state.
pub(super) fn set(state: &mut State, key: Key<'_>, value: &[u8], read_only: bool) -> Status {
    let options = state.options;
    scopes(state).set(&options, key, value, read_only, LifeSpan::DownstreamConnection)
}
