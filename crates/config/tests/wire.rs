//! Messages that Envoy wrote are read here as they were meant, and the other way round: on the wire and as JSON.
//!
//! Envoy's side is descriptors made from a list of the fields that Envoy 1.40 has, which our `.proto` files have no part
//! in; ours is the generated types.

mod common;

use common::envoy;
use enginebay_config::{proto, read_bootstrap, read_discovery_response};
use proptest::collection::vec;
use proptest::prelude::*;
use prost::Message;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, SerializeOptions, Value,
};

/// The descriptors of our messages.
const OURS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));

/// Decodes with the generated type of this name, and encodes again; `None` if there is no such type.
fn through_ours(name: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    macro_rules! types {
        ($($name:literal => $type:ty,)*) => {
            match name {
                $($name => <$type>::decode(bytes).unwrap().encode_to_vec(),)*
                _ => return None,
            }
        };
    }
    Some(types! {
        "envoy.config.core.v3.AggregatedConfigSource" => proto::envoy::config::core::v3::AggregatedConfigSource,
        "envoy.config.core.v3.ApiConfigSource" => proto::envoy::config::core::v3::ApiConfigSource,
        "envoy.config.core.v3.AsyncDataSource" => proto::envoy::config::core::v3::AsyncDataSource,
        "envoy.config.core.v3.BackoffStrategy" => proto::envoy::config::core::v3::BackoffStrategy,
        "envoy.config.core.v3.ConfigSource" => proto::envoy::config::core::v3::ConfigSource,
        "envoy.config.core.v3.DataSource" => proto::envoy::config::core::v3::DataSource,
        "envoy.config.core.v3.ExtensionConfigSource" => proto::envoy::config::core::v3::ExtensionConfigSource,
        "envoy.config.core.v3.GrpcService" => proto::envoy::config::core::v3::GrpcService,
        "envoy.config.core.v3.GrpcService.EnvoyGrpc" => proto::envoy::config::core::v3::grpc_service::EnvoyGrpc,
        "envoy.config.core.v3.HeaderValue" => proto::envoy::config::core::v3::HeaderValue,
        "envoy.config.core.v3.HttpUri" => proto::envoy::config::core::v3::HttpUri,
        "envoy.config.core.v3.PathConfigSource" => proto::envoy::config::core::v3::PathConfigSource,
        "envoy.config.core.v3.RateLimitSettings" => proto::envoy::config::core::v3::RateLimitSettings,
        "envoy.config.core.v3.RemoteDataSource" => proto::envoy::config::core::v3::RemoteDataSource,
        "envoy.config.core.v3.RetryPolicy" => proto::envoy::config::core::v3::RetryPolicy,
        "envoy.config.core.v3.RetryPolicy.RetryHostPredicate" => proto::envoy::config::core::v3::retry_policy::RetryHostPredicate,
        "envoy.config.core.v3.RetryPolicy.RetryPriority" => proto::envoy::config::core::v3::retry_policy::RetryPriority,
        "envoy.config.core.v3.SelfConfigSource" => proto::envoy::config::core::v3::SelfConfigSource,
        "envoy.config.core.v3.TypedExtensionConfig" => proto::envoy::config::core::v3::TypedExtensionConfig,
        "envoy.config.core.v3.WatchedDirectory" => proto::envoy::config::core::v3::WatchedDirectory,
        "envoy.config.listener.v3.Filter" => proto::envoy::config::listener::v3::Filter,
        "envoy.config.metrics.v3.StatsSink" => proto::envoy::config::metrics::v3::StatsSink,
        "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog" => proto::envoy::extensions::access_loggers::wasm::v3::WasmAccessLog,
        "envoy.extensions.filters.http.wasm.v3.Wasm" => proto::envoy::extensions::filters::http::wasm::v3::Wasm,
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter" => proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpFilter,
        "envoy.extensions.filters.network.wasm.v3.Wasm" => proto::envoy::extensions::filters::network::wasm::v3::Wasm,
        "envoy.extensions.stat_sinks.wasm.v3.Wasm" => proto::envoy::extensions::stat_sinks::wasm::v3::Wasm,
        "envoy.extensions.wasm.v3.CapabilityRestrictionConfig" => proto::envoy::extensions::wasm::v3::CapabilityRestrictionConfig,
        "envoy.extensions.wasm.v3.EnvironmentVariables" => proto::envoy::extensions::wasm::v3::EnvironmentVariables,
        "envoy.extensions.wasm.v3.PluginConfig" => proto::envoy::extensions::wasm::v3::PluginConfig,
        "envoy.extensions.wasm.v3.ReloadConfig" => proto::envoy::extensions::wasm::v3::ReloadConfig,
        "envoy.extensions.wasm.v3.SanitizationConfig" => proto::envoy::extensions::wasm::v3::SanitizationConfig,
        "envoy.extensions.wasm.v3.VmConfig" => proto::envoy::extensions::wasm::v3::VmConfig,
        "envoy.extensions.wasm.v3.WasmService" => proto::envoy::extensions::wasm::v3::WasmService,
        "xds.core.v3.Authority" => proto::xds::core::v3::Authority,
        "envoy.config.accesslog.v3.AccessLog" => proto::envoy::config::accesslog::v3::AccessLog,
        "envoy.config.bootstrap.v3.Admin" => proto::envoy::config::bootstrap::v3::Admin,
        "envoy.config.bootstrap.v3.Bootstrap" => proto::envoy::config::bootstrap::v3::Bootstrap,
        "envoy.config.bootstrap.v3.Bootstrap.StaticResources" => proto::envoy::config::bootstrap::v3::bootstrap::StaticResources,
        "envoy.config.bootstrap.v3.LayeredRuntime" => proto::envoy::config::bootstrap::v3::LayeredRuntime,
        "envoy.config.bootstrap.v3.RuntimeLayer" => proto::envoy::config::bootstrap::v3::RuntimeLayer,
        "envoy.config.cluster.v3.Cluster" => proto::envoy::config::cluster::v3::Cluster,
        "envoy.config.core.v3.Address" => proto::envoy::config::core::v3::Address,
        "envoy.config.core.v3.ControlPlane" => proto::envoy::config::core::v3::ControlPlane,
        "envoy.config.core.v3.Http1ProtocolOptions" => proto::envoy::config::core::v3::Http1ProtocolOptions,
        "envoy.config.core.v3.Http2ProtocolOptions" => proto::envoy::config::core::v3::Http2ProtocolOptions,
        "envoy.config.core.v3.HttpProtocolOptions" => proto::envoy::config::core::v3::HttpProtocolOptions,
        "envoy.config.core.v3.Locality" => proto::envoy::config::core::v3::Locality,
        "envoy.config.core.v3.Metadata" => proto::envoy::config::core::v3::Metadata,
        "envoy.config.core.v3.Node" => proto::envoy::config::core::v3::Node,
        "envoy.config.core.v3.SocketAddress" => proto::envoy::config::core::v3::SocketAddress,
        "envoy.config.core.v3.SubstitutionFormatString" => proto::envoy::config::core::v3::SubstitutionFormatString,
        "envoy.config.core.v3.TransportSocket" => proto::envoy::config::core::v3::TransportSocket,
        "envoy.config.endpoint.v3.ClusterLoadAssignment" => proto::envoy::config::endpoint::v3::ClusterLoadAssignment,
        "envoy.config.endpoint.v3.Endpoint" => proto::envoy::config::endpoint::v3::Endpoint,
        "envoy.config.endpoint.v3.LbEndpoint" => proto::envoy::config::endpoint::v3::LbEndpoint,
        "envoy.config.endpoint.v3.LocalityLbEndpoints" => proto::envoy::config::endpoint::v3::LocalityLbEndpoints,
        "envoy.config.listener.v3.FilterChain" => proto::envoy::config::listener::v3::FilterChain,
        "envoy.config.listener.v3.Listener" => proto::envoy::config::listener::v3::Listener,
        "envoy.config.route.v3.DirectResponseAction" => proto::envoy::config::route::v3::DirectResponseAction,
        "envoy.config.route.v3.Route" => proto::envoy::config::route::v3::Route,
        "envoy.config.route.v3.RouteAction" => proto::envoy::config::route::v3::RouteAction,
        "envoy.config.route.v3.RouteConfiguration" => proto::envoy::config::route::v3::RouteConfiguration,
        "envoy.config.route.v3.RouteMatch" => proto::envoy::config::route::v3::RouteMatch,
        "envoy.config.route.v3.VirtualHost" => proto::envoy::config::route::v3::VirtualHost,
        "envoy.extensions.access_loggers.file.v3.FileAccessLog" => proto::envoy::extensions::access_loggers::file::v3::FileAccessLog,
        "envoy.extensions.access_loggers.stream.v3.StderrAccessLog" => proto::envoy::extensions::access_loggers::stream::v3::StderrAccessLog,
        "envoy.extensions.access_loggers.stream.v3.StdoutAccessLog" => proto::envoy::extensions::access_loggers::stream::v3::StdoutAccessLog,
        "envoy.extensions.filters.http.router.v3.Router" => proto::envoy::extensions::filters::http::router::v3::Router,
        "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager" => proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager,
        "envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy" => proto::envoy::extensions::filters::network::tcp_proxy::v3::TcpProxy,
        "envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer" => proto::envoy::extensions::transport_sockets::raw_buffer::v3::RawBuffer,
        "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext" => proto::envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext,
        "envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext.SystemRootCerts" => proto::envoy::extensions::transport_sockets::tls::v3::certificate_validation_context::SystemRootCerts,
        "envoy.extensions.transport_sockets.tls.v3.CommonTlsContext" => proto::envoy::extensions::transport_sockets::tls::v3::CommonTlsContext,
        "envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher" => proto::envoy::extensions::transport_sockets::tls::v3::SubjectAltNameMatcher,
        "envoy.extensions.transport_sockets.tls.v3.TlsCertificate" => proto::envoy::extensions::transport_sockets::tls::v3::TlsCertificate,
        "envoy.extensions.transport_sockets.tls.v3.TlsParameters" => proto::envoy::extensions::transport_sockets::tls::v3::TlsParameters,
        "envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext" => proto::envoy::extensions::transport_sockets::tls::v3::UpstreamTlsContext,
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions" => proto::envoy::extensions::upstreams::http::v3::HttpProtocolOptions,
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions.ExplicitHttpConfig" => proto::envoy::extensions::upstreams::http::v3::http_protocol_options::ExplicitHttpConfig,
        "envoy.service.discovery.v3.DiscoveryRequest" => proto::envoy::service::discovery::v3::DiscoveryRequest,
        "envoy.service.discovery.v3.DiscoveryResponse" => proto::envoy::service::discovery::v3::DiscoveryResponse,
        "envoy.service.discovery.v3.Resource" => proto::envoy::service::discovery::v3::Resource,
        "envoy.service.discovery.v3.Resource.CacheControl" => proto::envoy::service::discovery::v3::resource::CacheControl,
        "envoy.type.matcher.v3.StringMatcher" => proto::envoy::r#type::matcher::v3::StringMatcher,
        "google.rpc.Status" => proto::google::rpc::Status,
    })
}

/// Decisions, from bytes that proptest gives; all zero when they are used up.
#[derive(Debug)]
struct Choices(std::vec::IntoIter<u8>);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        usize::from(self.0.next().unwrap_or(0)) % bound
    }

    fn text(&mut self) -> String {
        ["a", "", "b.c/d", "yes", "5", "\u{e9}\u{1f600}\"\n"][self.below(6)].to_owned()
    }

    /// A message, with the fields for which there was a byte to say so.
    fn message(&mut self, kind: &MessageDescriptor) -> DynamicMessage {
        let mut message = DynamicMessage::new(kind.clone());
        match kind.full_name() {
            "google.protobuf.Duration" => {
                // JSON has no signs for the parts.
                let sign = if self.below(4) == 3 { -1 } else { 1 };
                let nanos = [0, 1_000_000, 999_999_999][self.below(3)];
                message.set_field_by_name(
                    "seconds",
                    Value::I64(i64::try_from(self.below(256)).unwrap() * sign),
                );
                message.set_field_by_name("nanos", Value::I32(nanos * i32::try_from(sign).unwrap()));
                return message;
            }
            "google.protobuf.Struct" => {
                let json = [r#"{"a": [1.5, null, true, {"b": "c"}]}"#, "{}"][self.below(2)];
                let mut reader = serde_json::Deserializer::from_str(json);
                return DynamicMessage::deserialize(kind.clone(), &mut reader).unwrap();
            }
            _ => {}
        }
        for field in kind.fields() {
            let taken = field
                .containing_oneof()
                .is_some_and(|oneof| oneof.fields().any(|other| message.has_field(&other)));
            if !taken && self.below(2) == 1 {
                let value = self.field(&field);
                message.set_field(&field, value);
            }
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        if field.is_map() {
            // No more than one entry: maps have no order, and what is in an `Any` is compared as bytes.
            let Kind::Message(entry) = field.kind() else {
                panic!()
            };
            let value = self.single(&entry.map_entry_value_field(), field);
            return Value::Map([(MapKey::String(self.text()), value)].into());
        }
        if field.is_list() {
            let count = self.below(3);
            return Value::List((0..count).map(|_| self.single(field, field)).collect());
        }
        self.single(field, field)
    }

    fn single(&mut self, field: &FieldDescriptor, declared: &FieldDescriptor) -> Value {
        match field.kind() {
            Kind::Message(kind) if kind.full_name() == "google.protobuf.Any" => {
                Value::Message(self.any(&kind, declared))
            }
            Kind::Message(kind) => Value::Message(self.message(&kind)),
            Kind::Enum(kind) => {
                let values: Vec<i32> = kind.values().map(|value| value.number()).collect();
                Value::EnumNumber(values[self.below(values.len())])
            }
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes([&[][..], &[0, 255, 62], b"a"][self.below(3)].to_vec().into()),
            Kind::Bool => Value::Bool(self.below(2) == 1),
            Kind::Int32 => Value::I32([0, -1, i32::MAX][self.below(3)]),
            Kind::Int64 => Value::I64([0, -1, i64::MAX][self.below(3)]),
            Kind::Uint32 => Value::U32([0, 1, u32::MAX][self.below(3)]),
            Kind::Uint64 => Value::U64([0, 1, u64::MAX][self.below(3)]),
            Kind::Float => Value::F32([0.0, 0.5, -1e30][self.below(3)]),
            Kind::Double => Value::F64([0.0, 0.1, -1e300][self.below(3)]),
            other => panic!("{other:?} in {}", field.full_name()),
        }
    }

    /// An `Any` of a type that may stand in this field.
    fn any(&mut self, kind: &MessageDescriptor, declared: &FieldDescriptor) -> DynamicMessage {
        const MANAGER: &str =
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
        let types: &[&str] = match declared.full_name() {
            "envoy.config.core.v3.TypedExtensionConfig.typed_config" => &[
                "envoy.extensions.wasm.v3.WasmService",
                "envoy.extensions.filters.http.wasm.v3.Wasm",
            ],
            "envoy.config.core.v3.ExtensionConfigSource.default_config" => &[
                "envoy.extensions.filters.network.wasm.v3.Wasm",
                "envoy.extensions.filters.http.wasm.v3.Wasm",
            ],
            "envoy.config.metrics.v3.StatsSink.typed_config" => &["envoy.extensions.stat_sinks.wasm.v3.Wasm"],
            "envoy.config.accesslog.v3.AccessLog.typed_config" => {
                &["envoy.extensions.access_loggers.wasm.v3.WasmAccessLog"]
            }
            "envoy.config.listener.v3.Filter.typed_config" => {
                &["envoy.extensions.filters.network.wasm.v3.Wasm", MANAGER]
            }
            "envoy.extensions.filters.network.http_connection_manager.v3.HttpFilter.typed_config" => {
                &["envoy.extensions.filters.http.wasm.v3.Wasm"]
            }
            "envoy.config.core.v3.TransportSocket.typed_config" => {
                &["envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer"]
            }
            "envoy.config.cluster.v3.Cluster.typed_extension_protocol_options" => {
                &["envoy.extensions.upstreams.http.v3.HttpProtocolOptions"]
            }
            "envoy.service.discovery.v3.DiscoveryResponse.resources" => &[
                "envoy.config.core.v3.TypedExtensionConfig",
                "envoy.service.discovery.v3.Resource",
            ],
            "envoy.service.discovery.v3.Resource.resource" => &["envoy.config.core.v3.TypedExtensionConfig"],
            _ => &[
                "google.protobuf.StringValue",
                "google.protobuf.Struct",
                "google.protobuf.BytesValue",
                "envoy.config.core.v3.HttpUri",
            ],
        };
        let name = types[self.below(types.len())];
        let inner = self.message(&kind.parent_pool().get_message_by_name(name).unwrap());
        let mut any = DynamicMessage::new(kind.clone());
        any.set_field_by_name("type_url", Value::String(format!("type.googleapis.com/{name}")));
        any.set_field_by_name("value", Value::Bytes(inner.encode_to_vec().into()));
        any
    }
}

fn choices() -> impl Strategy<Value = Choices> {
    vec(any::<u8>(), 0..600).prop_map(|bytes| Choices(bytes.into_iter()))
}

fn json(message: &DynamicMessage, options: &SerializeOptions) -> String {
    let mut json = Vec::new();
    message
        .serialize_with_options(&mut serde_json::Serializer::new(&mut json), options)
        .unwrap();
    String::from_utf8(json).unwrap()
}

thread_local! {
    static POOL: DescriptorPool = envoy::pool();
}

fn kind(name: &str) -> MessageDescriptor {
    POOL.with(|pool| pool.get_message_by_name(name).unwrap())
}

fn decoded(name: &str, bytes: &[u8]) -> DynamicMessage {
    DynamicMessage::decode(kind(name), bytes).unwrap()
}

#[test]
fn our_fields_are_those_of_envoy() {
    let ours = DescriptorPool::decode(OURS).unwrap();
    let list = envoy::list();
    let names: Vec<&str> = list
        .messages
        .iter()
        .map(|message| message.name.as_str())
        .collect();
    for message in ours.all_messages().filter(|message| !message.is_map_entry()) {
        let name = message.full_name();
        if message.parent_file().package_name() != "google.protobuf" {
            assert!(names.contains(&name), "{name} is not in the list of Envoy's");
        }
    }
    for message in &list.messages {
        let ours = ours.get_message_by_name(&message.name).unwrap();
        let theirs = kind(&message.name);
        for field in ours.fields() {
            let name = field.full_name();
            let Some(other) = theirs.get_field(field.number()) else {
                panic!("{name} has a number that Envoy has no field for")
            };
            let oneof =
                |field: &FieldDescriptor| field.containing_oneof().map(|oneof| oneof.name().to_owned());
            assert_eq!(
                (field.name(), field.json_name()),
                (other.name(), other.json_name()),
                "{name}"
            );
            assert_eq!(field.cardinality(), other.cardinality(), "{name}");
            assert_eq!(type_name(&field), type_name(&other), "{name}");
            assert_eq!(oneof(&field), oneof(&other), "{name}");
            assert_eq!(field.is_map(), other.is_map(), "{name}");
        }
        assert!(through_ours(&message.name, &[]).is_some(), "{}", message.name);
    }
    for (name, values) in &list.enums {
        let ours = ours.get_enum_by_name(name).unwrap();
        let ours: Vec<(i32, String)> = ours
            .values()
            .map(|value| (value.number(), value.name().to_owned()))
            .collect();
        assert!(
            ours.iter().all(|value| values.contains(value)),
            "{name}: {ours:?}, {values:?}"
        );
    }
}

fn type_name(field: &FieldDescriptor) -> String {
    match field.kind() {
        Kind::Message(kind) if field.is_map() => type_name(&kind.map_entry_value_field()),
        Kind::Message(kind) => kind.full_name().to_owned(),
        Kind::Enum(kind) => kind.full_name().to_owned(),
        kind => format!("{kind:?}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_go_through_our_types_unchanged(mut choices in choices()) {
        let ours = DescriptorPool::decode(OURS).unwrap();
        for message in envoy::list().messages {
            let mut theirs = choices.message(&kind(&message.name));
            // Fields that are not known here are dropped, which is for `docs/config.md` to say.
            let known = ours.get_message_by_name(&message.name).unwrap();
            for field in kind(&message.name).fields() {
                if known.get_field(field.number()).is_none() {
                    theirs.clear_field(&field);
                }
            }
            let bytes = theirs.encode_to_vec();
            let back = through_ours(&message.name, &bytes).unwrap();
            prop_assert_eq!(decoded(&message.name, &back), decoded(&message.name, &bytes), "{}", message.name);
        }
    }

    #[test]
    fn json_is_read_into_our_types(mut choices in choices(), proto_names: bool, enum_numbers: bool) {
        let options = SerializeOptions::new().use_proto_field_name(proto_names).use_enum_numbers(enum_numbers);
        const BOOTSTRAP: &str = "envoy.config.bootstrap.v3.Bootstrap";
        let theirs = choices.message(&kind(BOOTSTRAP));
        let json = self::json(&theirs, &options);
        let read = read_bootstrap(&json, "envoy.json").map_err(|error| TestCaseError::fail(format!("{error}: {json}")))?;
        prop_assert_eq!(decoded(BOOTSTRAP, &read.encode_to_vec()), decoded(BOOTSTRAP, &theirs.encode_to_vec()), "{}", json);

        const RESPONSE: &str = "envoy.service.discovery.v3.DiscoveryResponse";
        let theirs = choices.message(&kind(RESPONSE));
        let json = self::json(&theirs, &options);
        let read = read_discovery_response(&json, "ecds.yaml")
            .map_err(|error| TestCaseError::fail(format!("{error}: {json}")))?;
        prop_assert_eq!(decoded(RESPONSE, &read.encode_to_vec()), decoded(RESPONSE, &theirs.encode_to_vec()), "{}", json);
    }
}
