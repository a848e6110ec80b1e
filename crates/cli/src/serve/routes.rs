//! Which route a request takes, by Envoy's rules.

use std::collections::HashMap;

use bytes::Bytes;
use enginebay::config::model::{Cluster, Forward, PathMatch, Route, RouteAction, RouteTable};
use http::{HeaderValue, StatusCode};

use super::attributes::Tree;

/// A [`RouteTable`], arranged for the search.
pub(super) struct Routes {
    exact: HashMap<String, usize>,
    /// Of `*.example.com` the part behind the star, the longest first; then the host.
    suffixes: Vec<(String, usize)>,
    /// Of `www.example.*` the part before the star, the longest first; then the host.
    prefixes: Vec<(String, usize)>,
    any: Option<usize>,
    ignore_port: bool,
    hosts: Vec<CompiledHost>,
}

struct CompiledHost {
    name: String,
    metadata: Tree,
    routes: Vec<CompiledRoute>,
}

struct CompiledRoute {
    path: PathMatch,
    case_sensitive: bool,
    action: Action,
    name: String,
    metadata: Tree,
}

/// A route that was found, with what plugins may know of it.
pub(super) struct Found<'a> {
    pub(super) action: &'a Action,
    pub(super) name: &'a str,
    pub(super) metadata: &'a Tree,
    pub(super) host_name: &'a str,
    pub(super) host_metadata: &'a Tree,
}

/// What to do with a request.
pub(super) enum Action {
    Forward(ForwardTo),
    Direct(Direct),
}

/// Where to send a request.
pub(super) struct ForwardTo {
    pub(super) route: Forward,
    /// Index of the cluster; none if there is no such cluster, which a checked configuration rules out.
    pub(super) cluster: Option<usize>,
    /// `host_rewrite_literal`, ready to be sent.
    pub(super) host_rewrite: Option<HeaderValue>,
    /// How many bytes of a path that matches `prefix_rewrite` replaces.
    pub(super) matched: usize,
}

/// A response that is ready to be sent.
pub(super) struct Direct {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
    pub(super) length: HeaderValue,
}

impl Routes {
    pub(super) fn new(table: &RouteTable, clusters: &[Cluster]) -> Self {
        let mut routes = Routes {
            exact: HashMap::new(),
            suffixes: Vec::new(),
            prefixes: Vec::new(),
            any: None,
            ignore_port: table.ignore_port,
            hosts: Vec::new(),
        };
        for (host, virtual_host) in table.virtual_hosts.iter().enumerate() {
            for domain in &virtual_host.domains {
                if domain == "*" {
                    routes.any = Some(host);
                } else if let Some(suffix) = domain.strip_prefix('*') {
                    routes.suffixes.push((suffix.to_owned(), host));
                } else if let Some(prefix) = domain.strip_suffix('*') {
                    routes.prefixes.push((prefix.to_owned(), host));
                } else {
                    routes.exact.insert(domain.clone(), host);
                }
            }
            let compiled = virtual_host.routes.iter().map(|route| compile(route, clusters));
            routes.hosts.push(CompiledHost {
                name: virtual_host.name.clone(),
                metadata: Tree::metadata(&virtual_host.metadata),
                routes: compiled.collect(),
            });
        }
        for wildcards in [&mut routes.suffixes, &mut routes.prefixes] {
            wildcards.sort_by_key(|(part, _)| std::cmp::Reverse(part.len()));
        }
        routes
    }

    /// The first route for this authority and path, if there is one.
    pub(super) fn find(&self, authority: &str, path: &str) -> Option<&Action> {
        self.look_up(authority, path).map(|found| found.action)
    }

    /// [`Routes::find`] with what else there is to know of the route.
    pub(super) fn look_up(&self, authority: &str, path: &str) -> Option<Found<'_>> {
        let host = self.hosts.get(self.host(authority)?)?;
        let route = host.routes.iter().find(|route| route.matches(path))?;
        Some(Found {
            action: &route.action,
            name: &route.name,
            metadata: &route.metadata,
            host_name: &host.name,
            host_metadata: &host.metadata,
        })
    }

    fn host(&self, authority: &str) -> Option<usize> {
        if self.exact.is_empty() && self.suffixes.is_empty() && self.prefixes.is_empty() {
            return self.any;
        }
        let lower;
        let mut name = authority;
        if self.ignore_port {
            name = without_port(name);
        }
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            lower = name.to_ascii_lowercase();
            name = &lower;
        }
        // A star stands for at least one character.
        let wild = |part: &String, found: Option<&str>| {
            found.is_some_and(|rest| !rest.is_empty() && !part.is_empty())
        };
        self.exact
            .get(name)
            .or_else(|| {
                let found = self
                    .suffixes
                    .iter()
                    .find(|(part, _)| wild(part, name.strip_suffix(part.as_str())));
                found.map(|(_, host)| host)
            })
            .or_else(|| {
                let found = self
                    .prefixes
                    .iter()
                    .find(|(part, _)| wild(part, name.strip_prefix(part.as_str())));
                found.map(|(_, host)| host)
            })
            .copied()
            .or(self.any)
    }
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // The colons of an IPv6 address stand inside brackets.
        Some((host, port)) if !port.ends_with(']') => host,
        _ => authority,
    }
}

fn compile(route: &Route, clusters: &[Cluster]) -> CompiledRoute {
    let action = match &route.action {
        RouteAction::DirectResponse(direct) => Action::Direct(Direct {
            status: StatusCode::from_u16(direct.status).unwrap_or(StatusCode::OK),
            length: HeaderValue::from(direct.body.len()),
            body: Bytes::from(direct.body.clone()),
        }),
        RouteAction::Forward(forward) => Action::Forward(ForwardTo {
            cluster: clusters
                .iter()
                .position(|cluster| cluster.name == forward.cluster),
            host_rewrite: forward
                .host_rewrite
                .as_deref()
                .and_then(|host| HeaderValue::from_str(host).ok()),
            matched: match &route.matches.path {
                PathMatch::Prefix(text) | PathMatch::Exact(text) => text.len(),
            },
            route: forward.clone(),
        }),
    };
    CompiledRoute {
        path: route.matches.path.clone(),
        case_sensitive: route.matches.case_sensitive,
        action,
        name: route.name.clone(),
        metadata: Tree::metadata(&route.metadata),
    }
}

impl CompiledRoute {
    fn matches(&self, path: &str) -> bool {
        let (text, candidate) = match &self.path {
            PathMatch::Exact(text) => (text, Some(path)),
            PathMatch::Prefix(text) => (text, path.get(..text.len())),
        };
        match candidate {
            None => false,
            Some(candidate) if self.case_sensitive => candidate == text,
            Some(candidate) => candidate.eq_ignore_ascii_case(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use enginebay::config::model::Bootstrap;
    use enginebay::config::{Process, load_bootstrap};

    use super::*;

    fn bootstrap(route_config: &str) -> Bootstrap {
        let text = format!(
            r#"
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          route_config: {route_config}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"#
        );
        load_bootstrap(&text, "test.yaml", &Process).unwrap()
    }

    fn routes(route_config: &str) -> Routes {
        let bootstrap = bootstrap(route_config);
        Routes::new(
            &bootstrap.listeners[0].http().unwrap().routes,
            &bootstrap.clusters,
        )
    }

    fn status(routes: &Routes, authority: &str, path: &str) -> Option<u16> {
        match routes.find(authority, path)? {
            Action::Direct(direct) => Some(direct.status.as_u16()),
            Action::Forward(_) => None,
        }
    }

    const DOMAINS: &str = r#"
            virtual_hosts:
            - {name: a, domains: ["ex.com"], routes: [{match: {prefix: "/"}, direct_response: {status: 201}}]}
            - {name: b, domains: ["*.ex.com", "foo.*"], routes: [{match: {prefix: "/"}, direct_response: {status: 202}}]}
            - {name: c, domains: ["*-x.ex.com"], routes: [{match: {prefix: "/"}, direct_response: {status: 203}}]}
            - {name: d, domains: ["*"], routes: [{match: {prefix: "/"}, direct_response: {status: 204}}]}"#;

    /// As a live Envoy answers.
    #[test]
    fn domains_are_found_exact_then_by_suffix_then_by_prefix() {
        let routes = routes(DOMAINS);
        for (authority, expected) in [
            ("ex.com", 201),
            ("EX.com", 201),
            ("ex.com:80", 204),
            ("a.ex.com", 202),
            ("a-x.ex.com", 203),
            (".ex.com", 204),
            ("foo.bar", 202),
            ("foo.bar.com", 202),
            ("foo", 204),
            ("foo.", 204),
            ("", 204),
        ] {
            assert_eq!(status(&routes, authority, "/"), Some(expected), "{authority}");
        }
    }

    #[test]
    fn the_port_counts_unless_it_is_to_be_ignored() {
        let routes = routes(&format!(
            "\n            ignore_port_in_host_matching: true{DOMAINS}"
        ));
        assert_eq!(status(&routes, "ex.com:80", "/"), Some(201));
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("[::1]"), "[::1]");
        assert_eq!(without_port("a"), "a");
    }

    #[test]
    fn the_first_route_that_matches_counts() {
        let routes = routes(
            r#"
            virtual_hosts:
            - name: a
              domains: ["*"]
              routes:
              - {match: {path: "/a"}, direct_response: {status: 201}}
              - {match: {prefix: "/A", case_sensitive: false}, direct_response: {status: 202}}
              - {match: {prefix: "/b"}, direct_response: {status: 203}}"#,
        );
        assert_eq!(status(&routes, "x", "/a"), Some(201));
        assert_eq!(status(&routes, "x", "/ab"), Some(202));
        assert_eq!(status(&routes, "x", "/bcd"), Some(203));
        assert_eq!(status(&routes, "x", "/B"), None);
        assert_eq!(status(&routes, "x", "*"), None);
        // Cutting a path in the middle of a character is not a match, and no panic.
        assert_eq!(status(&routes, "x", "/\u{e9}"), None);
    }
}
