//! Filters whose configuration comes later, and may change: Envoy's extension configuration discovery service (ECDS).

use std::path::PathBuf;
use std::time::Duration;

use super::Plugin;

/// A plugin, or where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// `typed_config`: the plugin stands in the configuration.
    Static(Plugin),
    /// `config_discovery`: it is sent by a control plane, or stands in a file of its own.
    Discovered(Discovery),
}

/// A configuration that comes later (`envoy.config.core.v3.ExtensionConfigSource`).
///
/// Its resource is a `envoy.config.core.v3.TypedExtensionConfig` with the filter's name;
/// [`Plugin::from_discovery`] makes a plugin of it. Until there is one, the filter does what [`Discovery::default`] says
/// or, without a default, refuses streams: HTTP requests get 500, TCP connections are closed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Discovery {
    /// `config_source`: where it comes from.
    pub source: ConfigSource,
    /// `config_source.initial_fetch_timeout`: how long the listener waits for the first resource before it goes on with
    /// the default. 15 s unless given; `None` if it was given as zero, which is no limit.
    pub initial_fetch_timeout: Option<Duration>,
    /// `default_config`: what the filter does if no resource came in time, or none that was good.
    pub default: Option<DefaultPlugin>,
    /// `apply_default_config_without_warming`: begins with the default at once. Then there is a default.
    pub default_without_warming: bool,
    /// `type_urls`: the full names of the types that the resource may hold. The type of the chain's plugins is one of
    /// them, and the only one that can be used here.
    pub type_names: Vec<String>,
    /// The type of plugins in this chain.
    pub(crate) plugin_type: &'static str,
}

/// The plugin of `default_config`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DefaultPlugin {
    /// The path of the plugin's configuration in the file, for messages.
    pub path: String,
    /// The plugin.
    pub plugin: Plugin,
}

/// Where configurations come from (`envoy.config.core.v3.ConfigSource`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigSource {
    /// `path_config_source`, or the older `path`.
    File(FileSource),
    /// `api_config_source` with `api_type: GRPC`.
    Grpc(GrpcSource),
}

/// A file with a `DiscoveryResponse` (`envoy.config.core.v3.PathConfigSource`).
///
/// [`read_discovery_response`](crate::read_discovery_response) reads YAML and JSON; a file that ends in `.pb` holds the
/// message's serialised bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileSource {
    /// `path`: the file. It must be there when the configuration is loaded, which is not looked at here.
    pub path: PathBuf,
    /// `watched_directory.path`: the file is read again when something is moved into this directory; if not given, when
    /// something is moved to the file itself.
    pub watched_directory: Option<PathBuf>,
    /// `watched_directory.watch_modify`: it is read again when a file in that directory is written to, as well.
    pub watch_modify: bool,
    /// `poll_interval`: it is read this often, and nothing is watched. At least 1 ms. Never together with a directory.
    pub poll_interval: Option<Duration>,
}

/// An xDS server, asked with `envoy.service.extension.v3.ExtensionConfigDiscoveryService.StreamExtensionConfigs`, the
/// state of the world (`envoy.config.core.v3.ApiConfigSource` and its one `GrpcService`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct GrpcSource {
    /// `envoy_grpc.cluster_name`: one of [`Bootstrap::clusters`](super::Bootstrap::clusters). It must speak HTTP/2.
    pub cluster: String,
    /// `envoy_grpc.authority`: the `:authority` to send; the cluster's name unless given.
    pub authority: String,
    /// `timeout`: `None` if it was not given, or as zero. As in Envoy, it does not end the stream, which has no limit.
    pub timeout: Option<Duration>,
    /// `initial_metadata`: headers of the request, with valid names in lower case and valid values, in order.
    pub initial_metadata: Vec<(String, Vec<u8>)>,
    /// `envoy_grpc.max_receive_message_length`, in bytes: a longer message ends the stream. The client's own limit unless
    /// given, or if it was given as zero: 64 MiB in the server. Never zero.
    pub max_receive_message_length: Option<u32>,
    /// `set_node_on_first_message_only`: later requests of a stream leave the node out.
    pub node_on_first_message_only: bool,
}
