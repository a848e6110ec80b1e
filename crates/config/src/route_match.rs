//! Finding the route of a request.

use crate::model::{PathMatch, Route, RouteMatch, RouteTable, VirtualHost};

impl RouteTable {
    /// The route for a request with this authority (`Host` or `:authority`) and this path, which may have a query
    /// string; `None` if there is none, which Envoy answers with 404.
    ///
    /// The virtual host is the one with the domain that fits best: the same name, then the longest `*.example.com`,
    /// then the longest `example.*`, then `*`. Its first route that matches counts.
    #[must_use]
    pub fn find(&self, authority: &str, path: &str) -> Option<&Route> {
        let authority = if self.ignore_port {
            without_port(authority)
        } else {
            authority
        };
        let host = self.virtual_host(&authority.to_ascii_lowercase())?;
        let path = path.split(['?', '#']).next().unwrap_or(path);
        host.routes.iter().find(|route| route.matches.matches(path))
    }

    fn virtual_host(&self, authority: &str) -> Option<&VirtualHost> {
        let mut best = None;
        for host in &self.virtual_hosts {
            let fit = host
                .domains
                .iter()
                .filter_map(|domain| fit(domain, authority))
                .max();
            if fit.is_some() && fit > best.map(|(fit, _)| fit) {
                best = fit.map(|fit| (fit, host));
            }
        }
        best.map(|(_, host)| host)
    }
}

impl RouteMatch {
    fn matches(&self, path: &str) -> bool {
        let same = |left: &[u8], right: &[u8]| match self.case_sensitive {
            true => left == right,
            false => left.eq_ignore_ascii_case(right),
        };
        match &self.path {
            PathMatch::Exact(whole) => same(path.as_bytes(), whole.as_bytes()),
            PathMatch::Prefix(prefix) => path
                .as_bytes()
                .get(..prefix.len())
                .is_some_and(|start| same(start, prefix.as_bytes())),
        }
    }
}

/// How well a domain fits, the better the greater: its kind, then its length. A `*` stands for at least one character.
fn fit(domain: &str, authority: &str) -> Option<(u8, usize)> {
    let longer = authority.len() >= domain.len();
    if domain == "*" {
        return Some((0, 0));
    }
    if let Some(start) = domain.strip_suffix('*') {
        return (longer && authority.starts_with(start)).then_some((1, start.len()));
    }
    if let Some(end) = domain.strip_prefix('*') {
        return (longer && authority.ends_with(end)).then_some((2, end.len()));
    }
    (domain == authority).then_some((3, domain.len()))
}

fn without_port(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        // In an IPv6 address without brackets the last colon begins no port.
        Some((host, port))
            if port.bytes().all(|byte| byte.is_ascii_digit())
                && (!host.contains(':') || host.ends_with(']')) =>
        {
            host
        }
        _ => authority,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DirectResponse, Metadata, RouteAction};

    fn route(name: &str, path: PathMatch, case_sensitive: bool) -> Route {
        let action = RouteAction::DirectResponse(DirectResponse {
            status: 200,
            body: Vec::new(),
        });
        Route {
            name: name.to_owned(),
            matches: RouteMatch { path, case_sensitive },
            action,
            metadata: Metadata::default(),
        }
    }

    fn table(domains: &[&[&str]]) -> RouteTable {
        let host = |domains: &&[&str]| VirtualHost {
            name: domains[0].to_owned(),
            domains: domains.iter().map(|domain| (*domain).to_owned()).collect(),
            routes: vec![route(domains[0], PathMatch::Prefix("/".to_owned()), true)],
            metadata: Metadata::default(),
        };
        RouteTable {
            name: String::new(),
            virtual_hosts: domains.iter().map(host).collect(),
            ignore_port: false,
        }
    }

    #[test]
    fn the_best_domain_wins() {
        let mut table = table(&[
            &["*"],
            &["www.*"],
            &["*.example.com", "x"],
            &["*.a.example.com"],
            &["www.example.com"],
        ]);
        let find = |table: &RouteTable, authority| {
            table
                .find(authority, "/")
                .map(|route| route.name.clone())
                .unwrap()
        };
        for (authority, expected) in [
            ("WWW.example.com", "www.example.com"),
            ("b.a.example.com", "*.a.example.com"),
            ("b.example.com", "*.example.com"),
            (".example.com", "*"),
            ("www.a.example.com", "*.a.example.com"),
            ("www.other", "www.*"),
            ("www.", "*"),
            ("", "*"),
            ("x", "*.example.com"),
            ("x:80", "*"),
        ] {
            assert_eq!(find(&table, authority), expected, "{authority}");
        }
        table.ignore_port = true;
        assert_eq!(find(&table, "x:80"), "*.example.com");
        assert_eq!(without_port("[::1]:80"), "[::1]");
        assert_eq!(without_port("::1"), "::1");
        assert_eq!(RouteTable::default().find("x", "/"), None);
    }

    #[test]
    fn the_first_path_wins() {
        let mut table = table(&[&["*"]]);
        table.virtual_hosts[0].routes = vec![
            route("exact", PathMatch::Exact("/a".to_owned()), true),
            route("any case", PathMatch::Prefix("/API".to_owned()), false),
            route("prefix", PathMatch::Prefix("/a".to_owned()), true),
        ];
        for (path, expected) in [
            ("/a", Some("exact")),
            ("/a?b", Some("exact")),
            ("/a#b", Some("exact")),
            ("/ab", Some("prefix")),
            ("/api/x", Some("any case")),
            ("/A", None),
            ("", None),
            ("/ä", None),
        ] {
            assert_eq!(
                table.find("x", path).map(|route| route.name.as_str()),
                expected,
                "{path}"
            );
        }
    }
}
