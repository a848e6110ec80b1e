//! `Cluster` and its endpoints.

use std::collections::HashSet;
use std::net::IpAddr;
use std::time::Duration;

use super::{Check, REQUIRED, metadata};
use crate::descriptors::HTTP_PROTOCOL_OPTIONS;
use crate::model::{Cluster, ClusterKind, DnsFamily, Endpoint, Locality, Metadata};
use crate::path;
use crate::proto::envoy::config::cluster::v3 as cluster;
use crate::proto::envoy::config::endpoint::v3 as endpoint;
use crate::proto::envoy::extensions::upstreams::http::v3 as upstream;

/// Envoy's default for `connect_timeout`.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Envoy's default for `idle_timeout`.
const IDLE_TIMEOUT: Duration = Duration::from_secs(60 * 60);

impl Check<'_> {
    pub(super) fn clusters(&mut self, messages: &[cluster::Cluster], path: &str) -> Vec<Cluster> {
        let mut names = HashSet::new();
        let mut clusters = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            let path = path::index(path, at);
            if !message.name.is_empty() && !names.insert(&message.name) {
                self.problem(
                    path::field(&path, "name"),
                    format!("duplicate cluster '{}'", message.name),
                );
            }
            clusters.push(self.cluster(message, &path));
        }
        clusters
    }

    /// Whether there is a cluster of this name, for a field that names one. Nothing is known of a plugin alone.
    pub(super) fn known_cluster(&mut self, name: &str, path: String) {
        let Some(clusters) = self.clusters.as_ref().filter(|clusters| !clusters.contains(name)) else {
            return;
        };
        let known: Vec<&str> = clusters.iter().map(String::as_str).collect();
        let known = if known.is_empty() {
            "none".to_owned()
        } else {
            known.join(", ")
        };
        self.problem(
            path,
            format!("unknown cluster '{name}'; the clusters are: {known}"),
        );
    }

    fn cluster(&mut self, message: &cluster::Cluster, path: &str) -> Cluster {
        use cluster::cluster::DnsLookupFamily;
        let name = self.required(&message.name, path, "name");
        let kind = self.kind(message, path);
        self.lb_policy(message, path);
        let connect_timeout = match &message.connect_timeout {
            None => CONNECT_TIMEOUT,
            Some(given) => {
                let path = path::field(path, "connect_timeout");
                let timeout = self.duration(Some(given), &path).unwrap_or(CONNECT_TIMEOUT);
                if timeout.is_zero() {
                    self.problem(path, "must be greater than 0s");
                }
                timeout
            }
        };
        let endpoints = match &message.load_assignment {
            Some(assignment) => self.endpoints(assignment, kind, &path::field(path, "load_assignment")),
            None => Vec::new(),
        };
        let dns_family = match message.dns_lookup_family() {
            DnsLookupFamily::Auto => DnsFamily::Auto,
            DnsLookupFamily::V4Only => DnsFamily::V4Only,
            DnsLookupFamily::V6Only => DnsFamily::V6Only,
            DnsLookupFamily::V4Preferred => DnsFamily::V4Preferred,
            DnsLookupFamily::All => DnsFamily::All,
        };
        let (http2, idle_timeout) = self.http_options(message, path);
        let tls = message
            .transport_socket
            .as_ref()
            .and_then(|socket| self.upstream_tls(socket, &path::field(path, "transport_socket")));
        Cluster {
            name,
            metadata: metadata::metadata(message.metadata.as_ref()),
            kind,
            dns_family,
            endpoints,
            connect_timeout,
            http2,
            idle_timeout,
            tls,
        }
    }

    fn kind(&mut self, message: &cluster::Cluster, path: &str) -> ClusterKind {
        use cluster::cluster::{ClusterDiscoveryType, DiscoveryType};
        let kind = match message.cluster_discovery_type {
            Some(ClusterDiscoveryType::Type(kind)) => DiscoveryType::try_from(kind),
            None => Ok(DiscoveryType::Static),
        };
        match kind {
            Ok(DiscoveryType::Static) => ClusterKind::Static,
            Ok(DiscoveryType::StrictDns) => ClusterKind::StrictDns,
            Ok(DiscoveryType::LogicalDns) => ClusterKind::LogicalDns,
            Ok(other) => {
                let problem = format!(
                    "{} is not supported; supported: STATIC, STRICT_DNS, LOGICAL_DNS",
                    other.as_str_name()
                );
                self.problem(path::field(path, "type"), problem);
                ClusterKind::Static
            }
            Err(_) => {
                self.problem(path::field(path, "type"), "no such type");
                ClusterKind::Static
            }
        }
    }

    fn lb_policy(&mut self, message: &cluster::Cluster, path: &str) {
        use cluster::cluster::LbPolicy;
        match LbPolicy::try_from(message.lb_policy) {
            Ok(LbPolicy::RoundRobin | LbPolicy::LeastRequest | LbPolicy::Random) => {}
            other => {
                let name = other.map_or("this policy", |policy| policy.as_str_name());
                let problem =
                    format!("{name} is not supported; supported: ROUND_ROBIN, LEAST_REQUEST, RANDOM");
                self.problem(path::field(path, "lb_policy"), problem);
            }
        }
    }

    /// Whether it speaks HTTP/2, and its `idle_timeout`.
    fn http_options(&mut self, message: &cluster::Cluster, path: &str) -> (bool, Option<Duration>) {
        use upstream::http_protocol_options::UpstreamProtocolOptions;
        use upstream::http_protocol_options::explicit_http_config::ProtocolConfig;
        let mut http2 = message.http2_protocol_options.is_some();
        let mut idle_timeout = IDLE_TIMEOUT;
        for (key, any) in &message.typed_extension_protocol_options {
            let path = path::key(&path::field(path, "typed_extension_protocol_options"), key);
            if key != HTTP_PROTOCOL_OPTIONS {
                self.problem(path, format!("not supported; supported: {HTTP_PROTOCOL_OPTIONS}"));
                continue;
            }
            let options: Option<upstream::HttpProtocolOptions> =
                self.unpack(any, &[HTTP_PROTOCOL_OPTIONS], &path);
            let Some(options) = options else { continue };
            if let Some(common) = &options.common_http_protocol_options {
                let path = path::field(&path, "common_http_protocol_options.idle_timeout");
                if let Some(given) = self.duration(common.idle_timeout.as_ref(), &path) {
                    idle_timeout = given;
                }
            }
            let path = path::field(&path, "explicit_http_config");
            match options.upstream_protocol_options {
                None => self.problem(path, REQUIRED),
                Some(UpstreamProtocolOptions::ExplicitHttpConfig(config)) => match config.protocol_config {
                    None => self.problem(
                        path,
                        "one of http_protocol_options, http2_protocol_options is required",
                    ),
                    Some(ProtocolConfig::HttpProtocolOptions(_)) => {}
                    Some(ProtocolConfig::Http2ProtocolOptions(_)) => http2 = true,
                },
            }
        }
        (http2, Some(idle_timeout).filter(|timeout| !timeout.is_zero()))
    }

    fn endpoints(
        &mut self,
        message: &endpoint::ClusterLoadAssignment,
        kind: ClusterKind,
        path: &str,
    ) -> Vec<Endpoint> {
        self.required(&message.cluster_name, path, "cluster_name");
        let mut endpoints = Vec::new();
        let places = path::field(path, "endpoints");
        for (at, place) in message.endpoints.iter().enumerate() {
            let hosts = path::field(&path::index(&places, at), "lb_endpoints");
            for (at, host) in place.lb_endpoints.iter().enumerate() {
                let endpoint = self.endpoint(host, kind, &path::index(&hosts, at));
                endpoints.extend(endpoint.map(|endpoint| Endpoint {
                    metadata: metadata::metadata(host.metadata.as_ref()),
                    locality: metadata::locality(place.locality.as_ref()),
                    locality_metadata: metadata::metadata(place.metadata.as_ref()),
                    ..endpoint
                }));
            }
        }
        if kind == ClusterKind::LogicalDns && endpoints.len() > 1 {
            self.problem(places, "LOGICAL_DNS clusters must have a single endpoint");
        }
        endpoints
    }

    fn endpoint(
        &mut self,
        message: &endpoint::LbEndpoint,
        kind: ClusterKind,
        path: &str,
    ) -> Option<Endpoint> {
        let path = path::field(path, "endpoint");
        let Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(message)) = &message.host_identifier else {
            self.problem(path, REQUIRED);
            return None;
        };
        let path = path::field(&path, "address");
        let (host, port) = self.host_and_port(message.address.as_ref(), &path)?;
        if port == 0 {
            self.problem(
                path::field(&path, "socket_address.port_value"),
                "nothing can be connected to at port 0",
            );
        }
        if kind == ClusterKind::Static && host.parse::<IpAddr>().is_err() {
            let problem = format!(
                "malformed IP address: {host}. Consider setting cluster type to 'STRICT_DNS' or 'LOGICAL_DNS'"
            );
            self.problem(path::field(&path, "socket_address.address"), problem);
        }
        let hostname = message.hostname.clone();
        Some(Endpoint {
            host,
            port,
            hostname,
            metadata: Metadata::default(),
            locality: Locality::default(),
            locality_metadata: Metadata::default(),
        })
    }
}
