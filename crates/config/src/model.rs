//! What a valid configuration says, as plain Rust types: no protobuf, no optional wrappers, nothing left to check.
//!
//! [`crate::load_bootstrap`] and [`crate::load_plugin`] build these from text; the `from_message` functions build them
//! from messages that came from somewhere else.

mod discovery;
mod remote;
mod service;
mod tls;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

pub use discovery::{ConfigSource, DefaultPlugin, Discovery, FileSource, GrpcSource, PluginSource};
pub use remote::{RemoteCode, RemoteScheme};
pub use service::{Service, StatsFlush, StatsSink};
pub use tls::{ClientCertificate, PrivateKey, Roots, SubjectAltName, TlsVersion, UpstreamTls};

/// A plugin and the VM it runs in (`envoy.extensions.wasm.v3.PluginConfig`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plugin {
    /// `name`: unique among the plugins that share a VM and a root id. May be empty.
    pub name: String,
    /// `root_id`: plugins of one VM with the same root id share a root context. May be empty.
    pub root_id: String,
    /// `vm_config`: the VM to find or to start.
    pub vm: Vm,
    /// `configuration`, as the bytes `proxy_on_configure` lets the plugin read: a `Struct` as compact JSON, a
    /// `StringValue` or `BytesValue` without its wrapper, any other message as its serialised bytes.
    pub configuration: Vec<u8>,
    /// `failure_policy` or the older `fail_open`: what becomes of requests once the VM has failed.
    pub failure_policy: FailurePolicy,
    /// `vm_config.capability_restriction_config` or, if that is not given, the older `capability_restriction_config` of
    /// the plugin: what plugins in the VM may call and be called for. It belongs to the VM: plugins that differ in it
    /// must not share one.
    pub capabilities: Capabilities,
    /// `allow_on_headers_stop_iteration`: whether a `StopIteration` returned from a headers callback stops headers
    /// only (`true`), or headers and everything after them (`false`). `None` leaves it to the host's default.
    pub allow_on_headers_stop_iteration: Option<bool>,
}

impl Plugin {
    /// A plugin with everything as it is when a configuration gives only the runtime and the code.
    #[must_use]
    pub fn new(runtime: impl Into<String>, code: Code) -> Self {
        Self {
            name: String::new(),
            root_id: String::new(),
            vm: Vm {
                vm_id: String::new(),
                runtime: runtime.into(),
                code,
                configuration: Vec::new(),
                allow_precompiled: false,
                nack_on_code_cache_miss: false,
                environment: Vec::new(),
                key_values: 0,
            },
            configuration: Vec::new(),
            failure_policy: FailurePolicy::default(),
            capabilities: Capabilities::default(),
            allow_on_headers_stop_iteration: None,
        }
    }
}

/// A virtual machine (`envoy.extensions.wasm.v3.VmConfig`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Vm {
    /// `vm_id`: plugins with the same id, the same code and the same VM configuration share a VM. May be empty.
    pub vm_id: String,
    /// `runtime`: the engine's name, for instance `envoy.wasm.runtime.wasmtime`, or the default one where none was given.
    /// Never empty, and one of [`Outside::runtimes`](crate::Outside::runtimes) if that knows any.
    pub runtime: String,
    /// `code`: where the module comes from.
    pub code: Code,
    /// `configuration`, as the bytes `proxy_on_vm_start` lets the plugin read; made as [`Plugin::configuration`] is.
    pub configuration: Vec<u8>,
    /// `allow_precompiled`: the module may carry code compiled ahead of time.
    pub allow_precompiled: bool,
    /// `nack_on_code_cache_miss`: refuse the configuration when remote code is not in the cache yet, and fetch it for the
    /// next attempt. Otherwise the plugin's listener waits for the code.
    pub nack_on_code_cache_miss: bool,
    /// `environment_variables`, resolved: first the host's variables that exist, in the order of `host_env_keys`,
    /// then `key_values` in the order of their keys. No key occurs twice.
    pub environment: Vec<(String, String)>,
    /// How many of them, at the end, come from `key_values`. Native plugins have the environment of the process, and can't
    /// be given any: see [`Vm::native_environment`].
    pub key_values: usize,
}

impl Vm {
    /// Whether a native plugin gets the variables that it is configured with, which are those of the process.
    ///
    /// # Errors
    ///
    /// Envoy's message if there are `key_values`.
    pub fn native_environment(&self) -> Result<(), &'static str> {
        if self.key_values == 0 {
            return Ok(());
        }
        Err("envoy.extensions.wasm.v3.VmConfig.EnvironmentVariables.key_values must not be set for NullVm.")
    }
}

/// Where a module's bytes come from (`envoy.config.core.v3.AsyncDataSource`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Code {
    /// `local.filename`: a file, not looked at yet.
    LocalFile(PathBuf),
    /// `local.inline_bytes`: the module itself.
    InlineBytes(Vec<u8>),
    /// `local.inline_string`: the module as text, or the name of a plugin linked into the null runtime.
    InlineString(String),
    /// `local.environment_variable`: the variable that holds the module. Not looked at yet.
    EnvironmentVariable(String),
    /// `remote`: fetched over HTTP. Whoever loads the code decides whether it can do that.
    Remote(RemoteCode),
}

/// An exponential back-off (`envoy.config.core.v3.BackoffStrategy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackOff {
    /// `base_interval`: the first wait. At least 1 ms.
    pub base_interval: Duration,
    /// `max_interval`: the longest wait. Ten times the base interval unless given, and never less than it.
    pub max_interval: Duration,
}

impl Default for BackOff {
    /// Envoy's default: 1 s, growing to 10 s.
    fn default() -> Self {
        Self {
            base_interval: Duration::from_secs(1),
            max_interval: Duration::from_secs(10),
        }
    }
}

/// What becomes of requests once a plugin's VM has failed (`envoy.extensions.wasm.v3.FailurePolicy`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FailurePolicy {
    /// `FAIL_CLOSED`, and the default: the request that met the failure and all later ones get 503.
    #[default]
    FailClosed,
    /// `FAIL_OPEN`: the request that met the failure gets 503; later ones go on without the plugin.
    FailOpen,
    /// The older field `fail_open: true`: the request that met the failure goes on without the plugin too.
    FailOpenAtOnce,
    /// `FAIL_RELOAD`: 503 for the request that met the failure and until the back-off (`reload_config.backoff`) has
    /// passed, then a new VM.
    FailReload(BackOff),
}

/// What a plugin may call and be called for (`envoy.extensions.wasm.v3.CapabilityRestrictionConfig`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Capabilities {
    /// Everything: no restriction is configured, or its map is empty.
    #[default]
    All,
    /// Only the host functions, WASI functions and callbacks with these names. Never empty.
    Only(BTreeSet<String>),
}

/// What the server is to run (`envoy.config.bootstrap.v3.Bootstrap`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Bootstrap {
    /// `node`: who this server says it is (the properties `node.id` and the like).
    pub node: Node,
    /// `admin.address`: where to serve the admin interface; nowhere if `None`.
    pub admin: Option<SocketAddr>,
    /// `static_resources.listeners`.
    pub listeners: Vec<Listener>,
    /// `static_resources.clusters`. No name occurs twice.
    pub clusters: Vec<Cluster>,
    /// `bootstrap_extensions`: plugins that serve no request.
    pub services: Vec<Service>,
    /// `stats_sinks`: plugins that are told of statistics.
    pub stats_sinks: Vec<StatsSink>,
    /// `stats_flush_interval` or `stats_flush_on_admin`: when they are told.
    pub stats_flush: StatsFlush,
}

impl Bootstrap {
    /// All plugins that are there from the start, each with the path of its configuration: those of listeners (filters,
    /// then access loggers) in order, defaults of discovered filters among them, then services, then sinks.
    pub fn plugins(&self) -> impl Iterator<Item = (&str, &Plugin)> {
        let filters = self
            .listeners
            .iter()
            .flat_map(|listener| listener.filters().iter().chain(listener.access_loggers()));
        let filters = filters.filter_map(|filter| Some((filter.plugin_path(), filter.initial_plugin()?)));
        let services = self.services.iter();
        let services = services.map(|service| (service.path.as_str(), &service.plugin));
        let sinks = self.stats_sinks.iter();
        filters
            .chain(services)
            .chain(sinks.map(|sink| (sink.path.as_str(), &sink.plugin)))
    }

    /// The filters whose configuration comes later, each with the listener it is in.
    pub fn discoveries(&self) -> impl Iterator<Item = (&Listener, &WasmFilter, &Discovery)> {
        self.listeners.iter().flat_map(|listener| {
            let filters = listener.filters().iter();
            filters.filter_map(move |filter| Some((listener, filter, filter.discovery()?)))
        })
    }
}

/// Who this server says it is (`envoy.config.core.v3.Node`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Node {
    /// `id`. May be empty.
    pub id: String,
    /// `cluster`: the service this server belongs to. May be empty.
    pub cluster: String,
    /// `metadata`, as compact JSON; empty if not given.
    pub metadata_json: String,
    /// `locality`: where it runs.
    pub locality: Locality,
    /// `user_agent_name`. May be empty.
    pub user_agent_name: String,
    /// `user_agent_version`. May be empty.
    pub user_agent_version: String,
    /// The whole message, as its serialised bytes.
    pub message: Vec<u8>,
}

/// Where something runs (`envoy.config.core.v3.Locality`). All parts may be empty.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub struct Locality {
    /// `region`.
    pub region: String,
    /// `zone`.
    pub zone: String,
    /// `sub_zone`.
    pub sub_zone: String,
    /// The whole message, as its serialised bytes.
    pub message: Vec<u8>,
}

/// What plugins may know of something in the configuration (`envoy.config.core.v3.Metadata`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub struct Metadata {
    /// `filter_metadata`, as compact JSON; empty if not given.
    pub filter_metadata_json: String,
    /// The whole message, as its serialised bytes.
    pub message: Vec<u8>,
}

/// Which way traffic goes, as seen from this server (`envoy.config.core.v3.TrafficDirection`). The numbers are Envoy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrafficDirection {
    /// `UNSPECIFIED`.
    #[default]
    Unspecified = 0,
    /// `INBOUND`.
    Inbound = 1,
    /// `OUTBOUND`.
    Outbound = 2,
}

/// A listening socket and what it serves (`envoy.config.listener.v3.Listener`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listener {
    /// `name`. Empty if not given.
    pub name: String,
    /// `address`. Port 0 asks the system for a free one.
    pub address: SocketAddr,
    /// `per_connection_buffer_limit_bytes`: how many bytes of a body or of a TCP connection a paused filter may hold
    /// back. 1 MiB unless given, as in Envoy.
    pub buffer_limit: u32,
    /// `traffic_direction`.
    pub direction: TrafficDirection,
    /// `metadata`.
    pub metadata: Metadata,
    /// The `name` of the one filter chain. May be empty.
    pub filter_chain_name: String,
    /// What the one filter chain does.
    pub kind: ListenerKind,
}

/// What a listener serves.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenerKind {
    /// HTTP: the chain is an `HttpConnectionManager`.
    Http(HttpListener),
    /// TCP: the chain is any number of plugins, and a `TcpProxy`.
    Tcp(TcpListener),
}

impl Listener {
    /// How it serves HTTP, if it does.
    #[must_use]
    pub fn http(&self) -> Option<&HttpListener> {
        match &self.kind {
            ListenerKind::Http(http) => Some(http),
            ListenerKind::Tcp(_) => None,
        }
    }

    /// How it serves TCP, if it does.
    #[must_use]
    pub fn tcp(&self) -> Option<&TcpListener> {
        match &self.kind {
            ListenerKind::Http(_) => None,
            ListenerKind::Tcp(tcp) => Some(tcp),
        }
    }

    /// Its Wasm filters, of either kind, in order.
    #[must_use]
    pub fn filters(&self) -> &[WasmFilter] {
        match &self.kind {
            ListenerKind::Http(http) => &http.filters,
            ListenerKind::Tcp(tcp) => &tcp.filters,
        }
    }

    /// Its access loggers, in order.
    #[must_use]
    pub fn access_loggers(&self) -> &[WasmFilter] {
        match &self.kind {
            ListenerKind::Http(http) => &http.access_loggers,
            ListenerKind::Tcp(tcp) => &tcp.access_loggers,
        }
    }

    /// What its statistics begin with.
    #[must_use]
    pub fn stat_prefix(&self) -> &str {
        match &self.kind {
            ListenerKind::Http(http) => &http.stat_prefix,
            ListenerKind::Tcp(tcp) => &tcp.stat_prefix,
        }
    }
}

/// How a listener serves TCP (`envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TcpListener {
    /// `stat_prefix`.
    pub stat_prefix: String,
    /// `cluster`: the name of one of [`Bootstrap::clusters`].
    pub cluster: String,
    /// `idle_timeout`: how long a connection may stay without a byte in either direction. 1 h unless given; `None` if
    /// it was given as zero, which is no limit.
    pub idle_timeout: Option<Duration>,
    /// `max_connect_attempts`: 1 unless given. Never zero.
    pub max_connect_attempts: u32,
    /// The plugins in front of it (`envoy.extensions.filters.network.wasm.v3.Wasm`), in the order in which bytes of
    /// clients meet them.
    pub filters: Vec<WasmFilter>,
    /// `access_log`: those that plugins write (`envoy.extensions.access_loggers.wasm.v3.WasmAccessLog`), in order.
    pub access_loggers: Vec<WasmFilter>,
}

/// How a listener serves HTTP
/// (`envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpListener {
    /// `stat_prefix`.
    pub stat_prefix: String,
    /// `codec_type`.
    pub codec: Codec,
    /// `server_name`: the value of the `server` header of responses; the server's own choice if `None`.
    pub server_name: Option<String>,
    /// `route_config`.
    pub routes: RouteTable,
    /// `http_filters` without the final router and without disabled ones, in the order requests meet them.
    pub filters: Vec<WasmFilter>,
    /// `access_log`: those that plugins write (`envoy.extensions.access_loggers.wasm.v3.WasmAccessLog`), in order.
    pub access_loggers: Vec<WasmFilter>,
}

/// The HTTP versions a listener speaks (`HttpConnectionManager.CodecType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Codec {
    /// `AUTO`: HTTP/2 when the connection starts with its preface, HTTP/1.1 otherwise.
    #[default]
    Auto,
    /// `HTTP1`.
    Http1,
    /// `HTTP2`, with prior knowledge.
    Http2,
}

/// One Wasm filter of a chain (`envoy.extensions.filters.http.wasm.v3.Wasm` or
/// `envoy.extensions.filters.network.wasm.v3.Wasm`), or an access logger.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct WasmFilter {
    /// The filter's name in the chain, often `envoy.filters.http.wasm`, or the access log's. Of a discovered filter it is
    /// also the name of the resource to ask for.
    pub name: String,
    /// The path of the plugin's configuration in the file, or of `config_discovery`, for messages such as
    /// `static_resources.listeners[0].….config: Invalid path: x.wasm`.
    pub path: String,
    /// The plugin, or where it comes from. Access loggers are always [`PluginSource::Static`].
    pub source: PluginSource,
}

impl WasmFilter {
    /// The plugin, if it stands in the configuration itself.
    #[must_use]
    pub fn plugin(&self) -> Option<&Plugin> {
        match &self.source {
            PluginSource::Static(plugin) => Some(plugin),
            PluginSource::Discovered(_) => None,
        }
    }

    /// Where its configuration comes from, if it comes later.
    #[must_use]
    pub fn discovery(&self) -> Option<&Discovery> {
        match &self.source {
            PluginSource::Static(_) => None,
            PluginSource::Discovered(discovery) => Some(discovery),
        }
    }

    /// The plugin that is known from the start: the one in the configuration, or the default of a discovered filter.
    #[must_use]
    pub fn initial_plugin(&self) -> Option<&Plugin> {
        match &self.source {
            PluginSource::Static(plugin) => Some(plugin),
            PluginSource::Discovered(discovery) => discovery.default.as_ref().map(|default| &default.plugin),
        }
    }

    fn plugin_path(&self) -> &str {
        match &self.source {
            PluginSource::Discovered(Discovery {
                default: Some(default),
                ..
            }) => &default.path,
            _ => &self.path,
        }
    }
}

/// The routes of a listener (`envoy.config.route.v3.RouteConfiguration`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct RouteTable {
    /// `name`. May be empty.
    pub name: String,
    /// `virtual_hosts`. No domain occurs twice.
    pub virtual_hosts: Vec<VirtualHost>,
    /// `ignore_port_in_host_matching`: domains are compared without the port of the request's authority.
    pub ignore_port: bool,
}

/// Routes for some domains (`envoy.config.route.v3.VirtualHost`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VirtualHost {
    /// `name`. Never empty.
    pub name: String,
    /// `domains`, in lower case: `www.example.com`, `*.example.com`, `www.example.*` or `*`. Never empty.
    pub domains: Vec<String>,
    /// `routes`; the first that matches counts.
    pub routes: Vec<Route>,
    /// `metadata`.
    pub metadata: Metadata,
}

/// One route (`envoy.config.route.v3.Route`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Route {
    /// `name`. May be empty.
    pub name: String,
    /// `match`: which requests it is for.
    pub matches: RouteMatch,
    /// What to do with them.
    pub action: RouteAction,
    /// `metadata`.
    pub metadata: Metadata,
}

/// Which requests a route is for (`envoy.config.route.v3.RouteMatch`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RouteMatch {
    /// `prefix` or `path`.
    pub path: PathMatch,
    /// `case_sensitive`: `true` unless given.
    pub case_sensitive: bool,
}

/// How a path is compared; the query string is not part of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// `prefix`: the path begins with this.
    Prefix(String),
    /// `path`: the path is this.
    Exact(String),
}

/// What a route does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteAction {
    /// `route`: forward it.
    Forward(Forward),
    /// `direct_response`: answer it.
    DirectResponse(DirectResponse),
}

/// Forwarding to a cluster (`envoy.config.route.v3.RouteAction`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Forward {
    /// `cluster`: the name of one of [`Bootstrap::clusters`].
    pub cluster: String,
    /// `prefix_rewrite`: what replaces the matched prefix or path; the query string stays.
    pub prefix_rewrite: Option<String>,
    /// `host_rewrite_literal`: what replaces the authority.
    pub host_rewrite: Option<String>,
    /// `timeout` for the whole response: 15 s unless given; `None` if it was given as zero, which is no limit.
    pub timeout: Option<Duration>,
}

/// An answer that needs no upstream (`envoy.config.route.v3.DirectResponseAction`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectResponse {
    /// `status`: 200 to 599.
    pub status: u16,
    /// `body`, read where it comes from a file or a variable. Empty if not given.
    pub body: Vec<u8>,
}

/// Upstream hosts (`envoy.config.cluster.v3.Cluster`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Cluster {
    /// `name`. Never empty.
    pub name: String,
    /// `metadata`.
    pub metadata: Metadata,
    /// `type`.
    pub kind: ClusterKind,
    /// `dns_lookup_family`: which addresses of a name are used.
    pub dns_family: DnsFamily,
    /// `load_assignment`: the hosts, in order. May be empty: every request then meets no healthy upstream.
    pub endpoints: Vec<Endpoint>,
    /// `connect_timeout`: 5 s unless given. Never zero.
    pub connect_timeout: Duration,
    /// Whether the hosts are spoken to in HTTP/2 with prior knowledge (`typed_extension_protocol_options` or the
    /// older `http2_protocol_options`) and not in HTTP/1.1.
    pub http2: bool,
    /// `common_http_protocol_options.idle_timeout`: how long a connection may be without a request. 1 h unless given;
    /// `None` if it was given as zero, which is no limit.
    pub idle_timeout: Option<Duration>,
    /// `transport_socket`, if it is TLS.
    pub tls: Option<UpstreamTls>,
}

/// How a cluster's hosts are found (`Cluster.DiscoveryType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClusterKind {
    /// `STATIC`: every endpoint is an IP address.
    #[default]
    Static,
    /// `STRICT_DNS`: every address a name resolves to is a host.
    StrictDns,
    /// `LOGICAL_DNS`: one name, of which the first address is used for new connections.
    LogicalDns,
}

/// Which addresses of a name are used (`Cluster.DnsLookupFamily`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DnsFamily {
    /// `AUTO`: IPv6, or IPv4 when there is none.
    #[default]
    Auto,
    /// `V4_ONLY`.
    V4Only,
    /// `V6_ONLY`.
    V6Only,
    /// `V4_PREFERRED`: IPv4, or IPv6 when there is none.
    V4Preferred,
    /// `ALL`.
    All,
}

/// An upstream host and its port (`envoy.config.endpoint.v3.Endpoint`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Endpoint {
    /// A host name, or an IP address without brackets.
    pub host: String,
    /// `LbEndpoint.metadata`.
    pub metadata: Metadata,
    /// `LocalityLbEndpoints.locality`: where it is.
    pub locality: Locality,
    /// `LocalityLbEndpoints.metadata`.
    pub locality_metadata: Metadata,
    /// 1 to 65535.
    pub port: u16,
    /// `hostname`. Empty if not given.
    pub hostname: String,
}
