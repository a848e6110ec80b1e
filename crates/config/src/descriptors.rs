//! The descriptors of our messages, and which of them may stand where a configuration has an `Any`.

use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, MessageDescriptor};

/// The descriptors of all messages in [`proto`](crate::proto): a serialised `google.protobuf.FileDescriptorSet`.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    // Written by our own build script, so an error here is one of the build, and every test would meet it.
    DescriptorPool::decode(DESCRIPTORS).expect("the descriptors the build script wrote can be read")
});

pub(crate) const HTTP_CONNECTION_MANAGER: &str =
    "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
pub(crate) const HTTP_PROTOCOL_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
pub(crate) const ROUTER: &str = "envoy.extensions.filters.http.router.v3.Router";
pub(crate) const NETWORK_WASM: &str = "envoy.extensions.filters.network.wasm.v3.Wasm";
pub(crate) const TCP_PROXY: &str = "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy";
pub(crate) const RAW_BUFFER: &str = "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer";
pub(crate) const UPSTREAM_TLS: &str = "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext";
pub(crate) const WASM_ACCESS_LOG: &str = "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog";
pub(crate) const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
pub(crate) const WASM_SERVICE: &str = "envoy.extensions.wasm.v3.WasmService";
pub(crate) const WASM_STATS_SINK: &str = "envoy.extensions.stat_sinks.wasm.v3.Wasm";
pub(crate) const RESOURCE: &str = "envoy.service.discovery.v3.Resource";
pub(crate) const TYPED_EXTENSION_CONFIG: &str = "envoy.config.core.v3.TypedExtensionConfig";

/// What a field of type `Any` may hold: the full name of the field, and the types.
const EXTENSIONS: [(&str, &[&str]); 10] = [
    (
        "envoy.config.listener.v3.Filter.typed_config",
        &[HTTP_CONNECTION_MANAGER, TCP_PROXY, NETWORK_WASM],
    ),
    (
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter.typed_config",
        &[WASM, ROUTER],
    ),
    (
        "envoy.config.accesslog.v3.AccessLog.typed_config",
        &[
            WASM_ACCESS_LOG,
            "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog",
            "envoy.extensions.access_loggers.stream.v3.StderrAccessLog",
            "envoy.extensions.access_loggers.file.v3.FileAccessLog",
        ],
    ),
    (
        "envoy.config.cluster.v3.Cluster.typed_extension_protocol_options",
        &[HTTP_PROTOCOL_OPTIONS],
    ),
    (
        "envoy.config.core.v3.TransportSocket.typed_config",
        &[UPSTREAM_TLS, RAW_BUFFER],
    ),
    (
        "envoy.config.core.v3.TypedExtensionConfig.typed_config",
        &[WASM_SERVICE, WASM, NETWORK_WASM],
    ),
    (
        "envoy.config.core.v3.ExtensionConfigSource.default_config",
        &[WASM, NETWORK_WASM],
    ),
    (
        "envoy.config.metrics.v3.StatsSink.typed_config",
        &[WASM_STATS_SINK],
    ),
    (
        "envoy.service.discovery.v3.DiscoveryResponse.resources",
        &[TYPED_EXTENSION_CONFIG, RESOURCE],
    ),
    (
        "envoy.service.discovery.v3.Resource.resource",
        &[TYPED_EXTENSION_CONFIG],
    ),
];

/// The message with this full name.
pub(crate) fn message(name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(name)
}

/// The types that the field with this full name may hold; `None` if it may hold any.
pub(crate) fn allowed(field: &str) -> Option<&'static [&'static str]> {
    EXTENSIONS
        .iter()
        .find(|(name, _)| *name == field)
        .map(|(_, types)| *types)
}

/// The full name of a message, from the `type_url` of an `Any`.
pub(crate) fn type_name(type_url: &str) -> &str {
    type_url.rsplit_once('/').map_or("", |(_, name)| name)
}

/// Why a type cannot stand in a field that allows some.
pub(crate) fn not_allowed(type_url: &str, allowed: &[&str]) -> String {
    if type_name(type_url) == WASM_SERVICE {
        return format!(
            "a WasmService serves no request or connection, and cannot be used here; put it into bootstrap_extensions, \
             or its plugin into one of {}",
            allowed.join(", ")
        );
    }
    format!(
        "{} is not supported here; supported: {}",
        crate::node::quote(type_url),
        allowed.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_in_the_table_exist() {
        for (field, types) in EXTENSIONS {
            let (parent, name) = field.rsplit_once('.').unwrap();
            assert!(
                message(parent).unwrap().get_field_by_name(name).is_some(),
                "{field}"
            );
            for name in types {
                assert!(message(name).is_some(), "{name}");
            }
        }
    }
}
