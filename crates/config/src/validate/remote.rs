//! `RemoteDataSource`: code to fetch.

use std::time::Duration;

use super::{Check, REQUIRED};
use crate::model::{BackOff, RemoteCode, RemoteScheme};
use crate::path;
use crate::proto::envoy::config::core::v3 as core;

/// Envoy has no bound; with the shortest back-off, these are a second of attempts that nobody waits for.
const MAX_RETRIES: u32 = 1000;
/// Envoy's bound on `http_uri.timeout`, not in it.
const MAX_TIMEOUT: Duration = Duration::from_secs(1 << 32);

impl Check<'_> {
    pub(super) fn remote_code(&mut self, message: &core::RemoteDataSource, path: &str) -> Option<RemoteCode> {
        let sha256 = self.sha256(&message.sha256, path);
        let (num_retries, back_off) = self.retry_policy(message.retry_policy.as_ref(), path);
        let path = path::field(path, "http_uri");
        let Some(http) = &message.http_uri else {
            self.problem(path, REQUIRED);
            return None;
        };
        let uri_path = path::field(&path, "uri");
        let uri = match &*http.uri {
            "" => {
                self.problem(uri_path, REQUIRED);
                None
            }
            uri => parse(uri).map_err(|problem| self.problem(uri_path, problem)).ok(),
        };
        let cluster = match &http.http_upstream_type {
            Some(core::http_uri::HttpUpstreamType::Cluster(cluster)) => cluster.as_str(),
            None => "",
        };
        let cluster = self.required(cluster, &path, "cluster");
        if !cluster.is_empty() {
            self.known_cluster(&cluster, path::field(&path, "cluster"));
        }
        let timeout_path = path::field(&path, "timeout");
        if http.timeout.is_none() {
            self.problem(timeout_path.as_str(), REQUIRED);
        }
        let timeout = self.duration(http.timeout.as_ref(), &timeout_path);
        if timeout.is_some_and(|timeout| timeout >= MAX_TIMEOUT) {
            self.problem(timeout_path, "must be less than 4294967296s");
        }
        let (scheme, authority, path) = uri?;
        Some(RemoteCode {
            uri: http.uri.clone(),
            scheme,
            authority,
            path,
            cluster,
            timeout: timeout?,
            sha256: sha256?,
            num_retries,
            back_off: back_off?,
        })
    }

    fn sha256(&mut self, text: &str, path: &str) -> Option<String> {
        let path = path::field(path, "sha256");
        if text.is_empty() {
            self.problem(path, REQUIRED);
            return None;
        }
        if text.len() != 64 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            self.problem(path, "must be 64 hexadecimal digits");
            return None;
        }
        Some(text.to_ascii_lowercase())
    }

    fn retry_policy(&mut self, message: Option<&core::RetryPolicy>, path: &str) -> (u32, Option<BackOff>) {
        let path = path::field(path, "retry_policy");
        let Some(message) = message else {
            return (1, Some(BackOff::default()));
        };
        for (field, given) in [
            ("retry_on", !message.retry_on.is_empty()),
            ("retry_priority", message.retry_priority.is_some()),
            ("retry_host_predicate", !message.retry_host_predicate.is_empty()),
            (
                "host_selection_retry_max_attempts",
                message.host_selection_retry_max_attempts != 0,
            ),
        ] {
            if given {
                let problem =
                    "not supported: every failure of a fetch is tried again, on the cluster's next host";
                self.problem(path::field(&path, field), problem);
            }
        }
        let num_retries = message.num_retries.unwrap_or(1);
        if num_retries > MAX_RETRIES {
            self.problem(
                path::field(&path, "num_retries"),
                format!("must be at most {MAX_RETRIES}"),
            );
        }
        let back_off = match &message.retry_back_off {
            Some(back_off) => self.back_off(back_off, &path::field(&path, "retry_back_off")),
            None => Some(BackOff::default()),
        };
        (num_retries, back_off)
    }
}

/// The scheme, the authority and the path of a URI.
fn parse(uri: &str) -> Result<(RemoteScheme, String, String), &'static str> {
    if !uri.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("not a URI: it has a space, or a character that must be percent-encoded");
    }
    let (scheme, rest) = match uri.split_once("://") {
        None => (RemoteScheme::Http, uri),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => (RemoteScheme::Http, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => (RemoteScheme::Https, rest),
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("oci") => (RemoteScheme::Oci, rest),
        Some(_) => return Err("its scheme is not supported; supported: http, https, oci"),
    };
    if rest.contains('#') {
        return Err("must have no fragment (`#`)");
    }
    let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err("must have no user name");
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    if host.is_empty() {
        return Err("has no host");
    }
    if host.starts_with('[') != host.ends_with(']')
        || !host.starts_with('[') && host.contains([':', '[', ']'])
    {
        return Err("an IPv6 address must be in brackets");
    }
    if port.is_some_and(|port| port.parse::<u16>().is_err()) {
        return Err("its port is not a number from 0 to 65535");
    }
    let path = match path {
        "" => "/".to_owned(),
        query if query.starts_with('?') => format!("/{query}"),
        path => path.to_owned(),
    };
    if scheme == RemoteScheme::Oci && path == "/" {
        return Err("has no name of an image");
    }
    Ok((scheme, authority.to_owned(), path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_are_taken_apart() {
        use RemoteScheme::{Http, Https, Oci};
        for (uri, expected) in [
            ("http://a.example/p.wasm", (Http, "a.example", "/p.wasm")),
            ("HTTPS://a:8443?v=1", (Https, "a:8443", "/?v=1")),
            ("a.example/p.wasm?x=y", (Http, "a.example", "/p.wasm?x=y")),
            ("http://[::1]:80", (Http, "[::1]:80", "/")),
            ("http://[::1]/a:b", (Http, "[::1]", "/a:b")),
            ("oci://r:5000/n/i@sha256:00", (Oci, "r:5000", "/n/i@sha256:00")),
        ] {
            let (scheme, authority, path) = parse(uri).unwrap();
            assert_eq!((scheme, &*authority, &*path), expected, "{uri}");
        }
    }

    #[test]
    fn what_is_no_uri() {
        for (uri, expected) in [
            ("http://a/b c", "a space"),
            ("http://ä/", "percent-encoded"),
            ("ftp://a/b", "supported: http, https, oci"),
            ("file:///p.wasm", "supported: http"),
            ("http:///p.wasm", "no host"),
            ("/p.wasm", "no host"),
            ("http://:80/", "no host"),
            ("http://a:b/", "port"),
            ("http://a:65536/", "port"),
            ("http://a:/", "port"),
            ("http://::1/", "brackets"),
            ("http://[::1/", "brackets"),
            ("http://u:p@a/", "user name"),
            ("http://a/#b", "fragment"),
            ("oci://r", "no name of an image"),
        ] {
            let problem = parse(uri).unwrap_err();
            assert!(problem.contains(expected), "{uri}: {problem}");
        }
    }
}
