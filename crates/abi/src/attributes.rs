//! Envoy's attributes: the properties whose path and type are known, as the documentation of its attributes and its
//! wrappers for expressions have them.
//!
//! A property comes as bytes ([values](crate::values)); here is what the bytes are.

use crate::PropertyPath;

/// What the value of an attribute is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttributeType {
    /// Text.
    String,
    /// Bytes.
    Bytes,
    /// A signed integer.
    Int,
    /// An unsigned integer.
    Uint,
    /// A truth value.
    Bool,
    /// Nanoseconds since 1970.
    Timestamp,
    /// Nanoseconds.
    Duration,
    /// A map from texts to texts, such as headers.
    StringMap,
    /// A map from texts to bytes.
    BytesMap,
    /// Something with fields that have types of their own, which are in the table too.
    Object,
    /// Something with fields of which the table does not know the types: a protobuf message.
    Message,
}

/// The attributes, by path, in the order of their paths.
pub const ATTRIBUTES: &[(&[&str], AttributeType)] = {
    use AttributeType::*;
    &[
        (&["cluster_metadata"], Message),
        (&["cluster_name"], String),
        (&["connection"], Object),
        (&["connection", "dns_san_local_certificate"], String),
        (&["connection", "dns_san_peer_certificate"], String),
        (&["connection", "id"], Uint),
        (&["connection", "mtls"], Bool),
        (&["connection", "peer_certificate"], String),
        (&["connection", "requested_server_name"], String),
        (&["connection", "sha256_peer_certificate_digest"], String),
        (&["connection", "subject_local_certificate"], String),
        (&["connection", "subject_peer_certificate"], String),
        (&["connection", "termination_details"], String),
        (&["connection", "tls_version"], String),
        (&["connection", "transport_failure_reason"], String),
        (&["connection", "uri_san_local_certificate"], String),
        (&["connection", "uri_san_peer_certificate"], String),
        (&["connection_id"], Uint),
        (&["destination"], Object),
        (&["destination", "address"], String),
        (&["destination", "port"], Int),
        (&["filter_state"], BytesMap),
        (&["listener_direction"], Int),
        (&["listener_metadata"], Message),
        (&["metadata"], Message),
        (&["node"], Message),
        (&["plugin_name"], String),
        (&["plugin_root_id"], String),
        (&["plugin_vm_id"], String),
        (&["request"], Object),
        (&["request", "duration"], Duration),
        (&["request", "headers"], StringMap),
        (&["request", "headers_bytes"], Int),
        (&["request", "host"], String),
        (&["request", "id"], String),
        (&["request", "method"], String),
        (&["request", "path"], String),
        (&["request", "protocol"], String),
        (&["request", "query"], String),
        (&["request", "referer"], String),
        (&["request", "scheme"], String),
        (&["request", "size"], Int),
        (&["request", "time"], Timestamp),
        (&["request", "total_size"], Int),
        // Not Envoy's; this host has it beside the response's.
        (&["request", "trailers"], StringMap),
        (&["request", "url_path"], String),
        (&["request", "useragent"], String),
        (&["response"], Object),
        (&["response", "backend_latency"], Duration),
        (&["response", "code"], Int),
        (&["response", "code_details"], String),
        (&["response", "flags"], Int),
        (&["response", "grpc_status"], Int),
        (&["response", "headers"], StringMap),
        (&["response", "headers_bytes"], Int),
        (&["response", "size"], Int),
        (&["response", "total_size"], Int),
        (&["response", "trailers"], StringMap),
        (&["route_metadata"], Message),
        (&["route_name"], String),
        (&["source"], Object),
        (&["source", "address"], String),
        (&["source", "port"], Int),
        (&["upstream"], Object),
        (&["upstream", "address"], String),
        (&["upstream", "cx_pool_ready_duration"], Duration),
        (&["upstream", "dns_san_local_certificate"], String),
        (&["upstream", "dns_san_peer_certificate"], String),
        (&["upstream", "local_address"], String),
        (&["upstream", "locality"], Message),
        (&["upstream", "num_endpoints"], Uint),
        (&["upstream", "peer_certificate"], String),
        (&["upstream", "port"], Int),
        (&["upstream", "request_attempt_count"], Uint),
        (&["upstream", "sha256_peer_certificate_digest"], String),
        (&["upstream", "subject_local_certificate"], String),
        (&["upstream", "subject_peer_certificate"], String),
        (&["upstream", "tls_version"], String),
        (&["upstream", "transport_failure_reason"], String),
        (&["upstream", "uri_san_local_certificate"], String),
        (&["upstream", "uri_san_peer_certificate"], String),
        (&["upstream_filter_state"], BytesMap),
        (&["upstream_host_metadata"], Message),
        (&["xds"], Object),
        (&["xds", "cluster_metadata"], Message),
        (&["xds", "cluster_name"], String),
        (&["xds", "filter_chain_name"], String),
        (&["xds", "listener_direction"], Int),
        (&["xds", "listener_metadata"], Message),
        (&["xds", "node"], Message),
        (&["xds", "route_metadata"], Message),
        (&["xds", "route_name"], String),
        (&["xds", "upstream_host_locality_metadata"], Message),
        (&["xds", "upstream_host_metadata"], Message),
        (&["xds", "virtual_host_metadata"], Message),
        (&["xds", "virtual_host_name"], String),
    ]
};

/// The type of the attribute with this path. An entry of a map has the type of the map's values, and what is inside a
/// message is a message as far as the table knows. `None` for what is no attribute: what plugins set, for example.
pub fn attribute_type(path: PropertyPath<'_>) -> Option<AttributeType> {
    use AttributeType::{Bytes, BytesMap, Message, Object, String, StringMap};
    let mut parts = path.parts();
    let first = parts.next()?;
    let mut found = find(&[first])?;
    if found == Object {
        let Some(second) = parts.next() else {
            return Some(found);
        };
        found = find(&[first, second])?;
    }
    for _ in parts {
        found = match found {
            StringMap => String,
            BytesMap => Bytes,
            Message => Message,
            _ => return None,
        };
    }
    Some(found)
}

fn find(path: &[&[u8]]) -> Option<AttributeType> {
    let key = |(known, _): &(&'static [&'static str], AttributeType)| {
        known.iter().map(|part| part.as_bytes()).cmp(path.iter().copied())
    };
    let at = ATTRIBUTES.binary_search_by(key).ok()?;
    Some(ATTRIBUTES[at].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property;

    fn of(path: &[&str]) -> Option<AttributeType> {
        attribute_type(PropertyPath::parse(&property::encode(path)).unwrap())
    }

    #[test]
    fn the_table_is_in_order_and_all_of_it_is_found() {
        assert!(ATTRIBUTES.is_sorted_by(|a, b| a.0 < b.0));
        for (path, ty) in ATTRIBUTES {
            assert_eq!(of(path), Some(*ty), "{path:?}");
        }
    }

    #[test]
    fn entries_have_the_type_of_their_map() {
        assert_eq!(of(&["request", "headers", "x"]), Some(AttributeType::String));
        assert_eq!(of(&["filter_state", "x"]), Some(AttributeType::Bytes));
        assert_eq!(
            of(&["metadata", "filter_metadata", "x"]),
            Some(AttributeType::Message)
        );
        assert_eq!(of(&["request", "headers", "x", "y"]), None);
        assert_eq!(of(&["request", "path", "x"]), None);
        assert_eq!(of(&["request", "none"]), None);
        assert_eq!(of(&["none"]), None);
        assert_eq!(of(&["none", "path"]), None);
    }
}
