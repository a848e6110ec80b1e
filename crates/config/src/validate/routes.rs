//! `RouteConfiguration` and what is in it.

use std::collections::HashSet;
use std::time::Duration;

use super::{Check, REQUIRED, metadata};
use crate::model::{
    DirectResponse, Forward, PathMatch, Route, RouteAction, RouteMatch, RouteTable, VirtualHost,
};
use crate::path;
use crate::proto::envoy::config::route::v3 as route;

/// Envoy's default for `max_direct_response_body_size_bytes`.
const MAX_DIRECT_RESPONSE: u32 = 4096;

/// Envoy's default for the `timeout` of a route.
const TIMEOUT: Duration = Duration::from_secs(15);

impl Check<'_> {
    pub(super) fn routes(&mut self, message: &route::RouteConfiguration, path: &str) -> RouteTable {
        let max_body = message
            .max_direct_response_body_size_bytes
            .unwrap_or(MAX_DIRECT_RESPONSE);
        let max_body = usize::try_from(max_body).unwrap_or(usize::MAX);
        let mut domains = HashSet::new();
        let mut virtual_hosts = Vec::new();
        for (at, host) in message.virtual_hosts.iter().enumerate() {
            let path = path::index(&path::field(path, "virtual_hosts"), at);
            virtual_hosts.push(self.virtual_host(host, max_body, &mut domains, &path));
        }
        RouteTable {
            name: message.name.clone(),
            virtual_hosts,
            ignore_port: message.ignore_port_in_host_matching,
        }
    }

    fn virtual_host(
        &mut self,
        message: &route::VirtualHost,
        max_body: usize,
        domains: &mut HashSet<String>,
        path: &str,
    ) -> VirtualHost {
        let name = self.required(&message.name, path, "name");
        let domains_path = path::field(path, "domains");
        if message.domains.is_empty() {
            self.problem(
                domains_path.as_str(),
                "at least one domain is required; `*` is every domain",
            );
        }
        let mut own = Vec::new();
        for (at, domain) in message.domains.iter().enumerate() {
            let path = path::index(&domains_path, at);
            let domain = domain.to_ascii_lowercase();
            let inner = domain
                .strip_prefix('*')
                .or_else(|| domain.strip_suffix('*'))
                .unwrap_or(&domain);
            if domain.is_empty() || inner.contains('*') {
                self.problem(
                    path.as_str(),
                    "a domain is a name with at most one `*`, at its beginning or its end",
                );
            }
            if !domains.insert(domain.clone()) {
                let problem = format!(
                    "Only unique values for domains are permitted. Duplicate entry of domain {domain} in virtual host \
                     {name}"
                );
                self.problem(path, problem);
            }
            own.push(domain);
        }
        let mut routes = Vec::new();
        for (at, route) in message.routes.iter().enumerate() {
            routes.extend(self.route(route, max_body, &path::index(&path::field(path, "routes"), at)));
        }
        VirtualHost {
            name,
            domains: own,
            routes,
            metadata: metadata::metadata(message.metadata.as_ref()),
        }
    }

    fn route(&mut self, message: &route::Route, max_body: usize, path: &str) -> Option<Route> {
        let matches = self.route_match(message.r#match.as_ref(), &path::field(path, "match"));
        let action = match &message.action {
            None => {
                self.problem(path, "one of route, direct_response is required");
                None
            }
            Some(route::route::Action::Route(action)) => self.forward(action, &path::field(path, "route")),
            Some(route::route::Action::DirectResponse(action)) => {
                self.direct_response(action, max_body, &path::field(path, "direct_response"))
            }
        };
        Some(Route {
            name: message.name.clone(),
            matches: matches?,
            action: action?,
            metadata: metadata::metadata(message.metadata.as_ref()),
        })
    }

    fn route_match(&mut self, message: Option<&route::RouteMatch>, path: &str) -> Option<RouteMatch> {
        use route::route_match::PathSpecifier;
        let Some(message) = message else {
            self.problem(path, REQUIRED);
            return None;
        };
        let case_sensitive = message.case_sensitive.unwrap_or(true);
        let path = match &message.path_specifier {
            Some(PathSpecifier::Prefix(prefix)) => PathMatch::Prefix(prefix.clone()),
            Some(PathSpecifier::Path(whole)) => PathMatch::Exact(whole.clone()),
            None => {
                self.problem(path, "one of prefix, path is required");
                return None;
            }
        };
        Some(RouteMatch { path, case_sensitive })
    }

    fn forward(&mut self, message: &route::RouteAction, path: &str) -> Option<RouteAction> {
        use route::route_action::{ClusterSpecifier, HostRewriteSpecifier};
        let cluster_path = path::field(path, "cluster");
        let timeout = match &message.timeout {
            None => Some(TIMEOUT),
            Some(given) => self
                .duration(Some(given), &path::field(path, "timeout"))
                .filter(|timeout| !timeout.is_zero()),
        };
        let cluster = match &message.cluster_specifier {
            Some(ClusterSpecifier::Cluster(cluster)) if !cluster.is_empty() => cluster.clone(),
            _ => {
                self.problem(cluster_path, REQUIRED);
                return None;
            }
        };
        self.known_cluster(&cluster, cluster_path);
        let host_rewrite = match &message.host_rewrite_specifier {
            Some(HostRewriteSpecifier::HostRewriteLiteral(host)) => {
                Some(host.clone()).filter(|host| !host.is_empty())
            }
            None => None,
        };
        let prefix_rewrite = Some(message.prefix_rewrite.clone()).filter(|prefix| !prefix.is_empty());
        Some(RouteAction::Forward(Forward {
            cluster,
            prefix_rewrite,
            host_rewrite,
            timeout,
        }))
    }

    fn direct_response(
        &mut self,
        message: &route::DirectResponseAction,
        max_body: usize,
        path: &str,
    ) -> Option<RouteAction> {
        let status = u16::try_from(message.status)
            .ok()
            .filter(|status| (200..600).contains(status));
        if status.is_none() {
            self.problem(path::field(path, "status"), "must be from 200 to 599");
        }
        let body_path = path::field(path, "body");
        let body = match &message.body {
            Some(source) => self.data(source, &body_path)?,
            None => Vec::new(),
        };
        if body.len() > max_body {
            let problem = format!(
                "response body size is {} bytes; maximum is {}",
                body.len(),
                max_body
            );
            self.problem(body_path, problem);
        }
        Some(RouteAction::DirectResponse(DirectResponse {
            status: status?,
            body,
        }))
    }
}
