//! Network filters: what a listener does with connections.

use std::time::Duration;

use prost_types::Any;

use super::{Check, REQUIRED};
use crate::descriptors::{HTTP_CONNECTION_MANAGER, NETWORK_WASM, TCP_PROXY, type_name};
use crate::model::{ListenerKind, TcpListener, WasmFilter};
use crate::path;
use crate::proto::envoy::config::listener::v3::{Filter, filter};
use crate::proto::envoy::extensions::filters::network::tcp_proxy::v3::{TcpProxy, tcp_proxy};
use crate::proto::envoy::extensions::filters::network::wasm::v3::Wasm;

/// Envoy's default for `TcpProxy.idle_timeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

impl Check<'_> {
    pub(super) fn listener_kind(&mut self, filters: &[Filter], path: &str) -> Option<ListenerKind> {
        let Some((last, before)) = filters.split_last() else {
            self.problem(
                path,
                "a filter is required: an HttpConnectionManager, or a TcpProxy with plugins in front of it",
            );
            return None;
        };
        let mut plugins = Vec::with_capacity(before.len());
        for (at, message) in before.iter().enumerate() {
            let path = path::index(path, at);
            if let Some(filter::ConfigType::ConfigDiscovery(discovery)) = &message.config_type {
                let name = self.required(&message.name, &path, "name");
                let discovery_path = path::field(&path, "config_discovery");
                plugins.extend(self.discovered(name, discovery, NETWORK_WASM, discovery_path));
            } else if let Some((name, any, config_path)) = self.network_filter(message, &path) {
                if matches!(type_name(&any.type_url), TCP_PROXY | HTTP_CONNECTION_MANAGER) {
                    let problem = format!(
                        "terminal filter named {name} must be the last filter in a network filter chain."
                    );
                    self.problem(path, problem);
                } else {
                    plugins.extend(self.network_plugin(name, any, &config_path));
                }
            }
        }
        let last_path = path::index(path, before.len());
        if let Some(filter::ConfigType::ConfigDiscovery(_)) = &last.config_type {
            let problem = "a discovered filter is a plugin, and the last filter in a network filter chain is not: add a \
                           TcpProxy (envoy.filters.network.tcp_proxy)";
            self.problem(last_path, problem);
            return None;
        }
        let (name, any, config_path) = self.network_filter(last, &last_path)?;
        match type_name(&any.type_url) {
            NETWORK_WASM => {
                let problem = format!(
                    "non-terminal filter named {name} of type envoy.filters.network.wasm is the last filter in a \
                     network filter chain; add a TcpProxy (envoy.filters.network.tcp_proxy)"
                );
                self.problem(last_path, problem);
                None
            }
            TCP_PROXY => {
                let proxy: TcpProxy = self.unpack(any, &[TCP_PROXY], &config_path)?;
                let tcp = self.tcp_proxy(&proxy, plugins, &config_path)?;
                Some(ListenerKind::Tcp(tcp))
            }
            _ => {
                let allowed = [HTTP_CONNECTION_MANAGER, TCP_PROXY, NETWORK_WASM];
                let manager = self.unpack(any, &allowed, &config_path)?;
                let http = self.http(&manager, &config_path);
                if !before.is_empty() {
                    let problem = "plugins for connections (envoy.filters.network.wasm) in front of an \
                                   HttpConnectionManager are not supported; in front of a TcpProxy they are";
                    self.problem(path::index(path, 0), problem);
                    return None;
                }
                http.map(ListenerKind::Http)
            }
        }
    }

    /// The name, the configuration and its path.
    fn network_filter<'m>(&mut self, message: &'m Filter, path: &str) -> Option<(String, &'m Any, String)> {
        let name = self.required(&message.name, path, "name");
        let config_path = path::field(path, "typed_config");
        let Some(filter::ConfigType::TypedConfig(any)) = &message.config_type else {
            self.problem(config_path, REQUIRED);
            return None;
        };
        Some((name, any, config_path))
    }

    fn network_plugin(&mut self, name: String, any: &Any, config_path: &str) -> Option<WasmFilter> {
        let wasm: Wasm = self.unpack(any, &[NETWORK_WASM], config_path)?;
        self.wasm_filter(name, wasm.config.as_ref(), config_path)
    }

    fn tcp_proxy(&mut self, message: &TcpProxy, filters: Vec<WasmFilter>, path: &str) -> Option<TcpListener> {
        let stat_prefix = self.required(&message.stat_prefix, path, "stat_prefix");
        let cluster_path = path::field(path, "cluster");
        let cluster = match &message.cluster_specifier {
            Some(tcp_proxy::ClusterSpecifier::Cluster(name)) if !name.is_empty() => Some(name.clone()),
            _ => {
                self.problem(cluster_path.as_str(), REQUIRED);
                None
            }
        };
        if let Some(name) = &cluster {
            self.known_cluster(name, cluster_path);
        }
        let max_connect_attempts = message.max_connect_attempts.unwrap_or(1);
        if max_connect_attempts == 0 {
            self.problem(path::field(path, "max_connect_attempts"), "must be at least 1");
        }
        let idle_timeout = match &message.idle_timeout {
            None => Some(IDLE_TIMEOUT),
            Some(given) => self
                .duration(Some(given), &path::field(path, "idle_timeout"))
                .filter(|timeout| !timeout.is_zero()),
        };
        let access_loggers = self.access_loggers(&message.access_log, &path::field(path, "access_log"));
        Some(TcpListener {
            stat_prefix,
            cluster: cluster?,
            idle_timeout,
            max_connect_attempts,
            filters,
            access_loggers,
        })
    }
}
