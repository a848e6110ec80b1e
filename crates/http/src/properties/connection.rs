//! `connection.*`, `source.*` and `destination.*`: what follows from a [`ConnectionInfo`] alone, for streams of any kind.

use std::net::SocketAddr;

use enginebay::abi::PropertyPath;

use super::write::{put, put_value};
use crate::ConnectionInfo;

/// Writes a property of the connection to `out`, or says that the [`ConnectionInfo`] has none of this path.
pub(crate) fn get(info: &ConnectionInfo, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    let mut parts = path.parts();
    match (parts.next()?, parts.next(), parts.next()) {
        (b"connection_id", None, _) | (b"connection", Some(b"id"), None) => put_value(out, info.id?),
        (b"source", Some(field), None) => address(info.peer?, field, out),
        (b"destination", Some(field), None) => address(info.local?, field, out),
        _ => None,
    }
}

pub(crate) fn address(address: SocketAddr, field: &[u8], out: &mut Vec<u8>) -> Option<()> {
    match field {
        b"address" => put(out, address.to_string().as_bytes()),
        b"port" => put_value(out, i64::from(address.port())),
        _ => None,
    }
}

/// Writes what Envoy has on a connection of which nobody knows more.
pub(crate) fn default(path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    match () {
        () if path.is(&["connection", "mtls"]) => put_value(out, false),
        () if path.is(&["connection", "requested_server_name"]) => Some(()),
        () => None,
    }
}
