//! Properties of a TCP connection (Envoy's attributes).

use enginebay::abi::PropertyPath;

use super::state::State;
use crate::properties::{address, put, put_value};

/// Writes a property. What plugins set comes after what the chain knows, as on Envoy.
pub(super) fn get(state: &State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
    if known(state, path, out).is_some() {
        return true;
    }
    let custom = state
        .custom
        .as_ref()
        .and_then(|custom| custom.get(path.as_bytes()));
    custom.map(|value| out.extend_from_slice(value)).is_some()
}

fn known(state: &State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = path.parts();
    let (object, field) = (parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let field = std::str::from_utf8(field).ok()?;
    match (object, field) {
        (b"source", _) => address(state.info.peer, field, out),
        (b"destination", _) => address(state.info.local, field, out),
        (b"upstream", "local_address") => address(state.upstream_local, "address", out),
        (b"upstream", _) => address(state.upstream, field, out),
        (b"connection", "id") => put_value(out, state.info.id?),
        // Listeners speak no TLS.
        (b"connection", "mtls") => put_value(out, false),
        (b"connection", "requested_server_name") => put(out, b""),
        _ => None,
    }
}
