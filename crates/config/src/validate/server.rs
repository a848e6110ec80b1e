//! `Bootstrap`, its admin interface and its listeners.

use std::collections::HashSet;

use prost::Message;
use prost_types::Any;

use super::{Check, metadata};
use crate::descriptors::{self, type_name};
use crate::model::{Bootstrap, ConfigSource, Listener, TrafficDirection};
use crate::path;
use crate::proto::envoy::config::bootstrap::v3 as bootstrap;
use crate::proto::envoy::config::core::v3::TrafficDirection as Direction;
use crate::proto::envoy::config::listener::v3 as listener;

/// Envoy's default for `per_connection_buffer_limit_bytes`.
const BUFFER_LIMIT: u32 = 1 << 20;

impl Check<'_> {
    pub(crate) fn bootstrap(&mut self, message: &bootstrap::Bootstrap) -> Bootstrap {
        let node = message.node.as_ref().map(metadata::node);
        let address = message.admin.as_ref().and_then(|admin| admin.address.as_ref());
        let admin = address.and_then(|address| self.socket_address(Some(address), "admin.address"));

        if let Some(admin) = &message.admin {
            self.no_access_loggers(&admin.access_log, "admin.access_log");
        }
        let nothing = bootstrap::bootstrap::StaticResources::default();
        let resources = message.static_resources.as_ref().unwrap_or(&nothing);
        let clusters = self.clusters(&resources.clusters, "static_resources.clusters");
        // A cluster with problems of its own is known all the same.
        let names = resources.clusters.iter().map(|cluster| cluster.name.clone());
        self.clusters = Some(names.collect());
        let mut listeners = Vec::new();
        let mut names = HashSet::new();
        let mut addresses = HashSet::new();
        for (at, message) in resources.listeners.iter().enumerate() {
            let path = path::index("static_resources.listeners", at);
            if !message.name.is_empty() && !names.insert(&message.name) {
                self.problem(
                    path::field(&path, "name"),
                    format!("duplicate listener '{}'", message.name),
                );
            }
            let Some(listener) = self.listener(message, &path) else {
                continue;
            };
            if listener.address.port() != 0 && !addresses.insert(listener.address) {
                let problem = format!("has duplicate address '{}' as another listener", listener.address);
                self.problem(path::field(&path, "address"), problem);
            }
            listeners.push(listener);
        }
        let asks = listeners.iter().flat_map(Listener::filters).any(|filter| {
            let discovery = filter.discovery();
            discovery.is_some_and(|discovery| matches!(discovery.source, ConfigSource::Grpc(_)))
        });
        let node = node.unwrap_or_default();
        for (path, value) in [("node.id", &node.id), ("node.cluster", &node.cluster)] {
            if asks && value.is_empty() {
                self.problem(path, "required, as a server is asked for configurations");
            }
        }
        let services = self.services(&message.bootstrap_extensions, "bootstrap_extensions");
        let stats_sinks = self.stats_sinks(&message.stats_sinks, "stats_sinks");
        Bootstrap {
            node,
            admin,
            listeners,
            clusters,
            services,
            stats_sinks,
            stats_flush: self.stats_flush(message),
        }
    }

    fn listener(&mut self, message: &listener::Listener, path: &str) -> Option<Listener> {
        let address = self.socket_address(message.address.as_ref(), &path::field(path, "address"));
        let chains_path = path::field(path, "filter_chains");
        let [chain] = message.filter_chains.as_slice() else {
            let count = message.filter_chains.len();
            self.problem(
                chains_path,
                format!("exactly one filter chain is supported, found {count}"),
            );
            return None;
        };
        let filters_path = path::field(&path::index(&chains_path, 0), "filters");
        let kind = self.listener_kind(&chain.filters, &filters_path)?;
        let buffer_limit = message.per_connection_buffer_limit_bytes.unwrap_or(BUFFER_LIMIT);
        Some(Listener {
            name: message.name.clone(),
            address: address?,
            buffer_limit,
            direction: match message.traffic_direction() {
                Direction::Unspecified => TrafficDirection::Unspecified,
                Direction::Inbound => TrafficDirection::Inbound,
                Direction::Outbound => TrafficDirection::Outbound,
            },
            metadata: metadata::metadata(message.metadata.as_ref()),
            filter_chain_name: chain.name.clone(),
            kind,
        })
    }

    /// The message in `any`, which must be of one of the types in `allowed`, the first of which is `T`.
    pub(super) fn unpack<T: Message + Default>(
        &mut self,
        any: &Any,
        allowed: &[&str],
        path: &str,
    ) -> Option<T> {
        if !allowed.contains(&type_name(&any.type_url)) {
            self.problem(
                path::field(path, "@type"),
                descriptors::not_allowed(&any.type_url, allowed),
            );
            return None;
        }
        let message = T::decode(any.value.as_slice());
        message
            .map_err(|error| self.problem(path, format!("not a valid message: {error}")))
            .ok()
    }
}
