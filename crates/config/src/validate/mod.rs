//! From messages to the plain types of [`crate::model`], noting every problem with the path of its field.

mod access_log;
mod capabilities;
mod clusters;
mod config_source;
mod discovery;
mod http;
mod metadata;
mod network;
mod plugin;
mod remote;
mod routes;
mod server;
mod service;
mod tls;

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::error::Problem;
use crate::outside::Outside;
use crate::path;
use crate::proto::envoy::config::core::v3 as core;

/// Envoy's name for a proto field that must not be empty; one wording for all of them.
const REQUIRED: &str = "required";

/// A check of a whole configuration.
pub(crate) struct Check<'a> {
    pub(crate) problems: Vec<Problem>,
    pub(crate) warnings: Vec<Problem>,
    /// The names of the clusters there are; `None` if nobody knows, as for a plugin alone.
    clusters: Option<BTreeSet<String>>,
    outside: &'a dyn Outside,
}

impl<'a> Check<'a> {
    pub(crate) fn new(outside: &'a dyn Outside) -> Self {
        Self {
            problems: Vec::new(),
            warnings: Vec::new(),
            clusters: None,
            outside,
        }
    }

    /// The same, with these clusters.
    pub(crate) fn with_clusters<'c>(mut self, names: impl Iterator<Item = &'c str>) -> Self {
        self.clusters = Some(names.map(str::to_owned).collect());
        self
    }

    fn warning(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.warnings.push(Problem::new(path, message));
    }

    pub(crate) fn problem(&mut self, path: impl Into<String>, message: impl Into<String>) {
        self.problems.push(Problem::new(path, message));
    }

    /// `value`, having noted a problem if it is empty.
    fn required(&mut self, value: &str, parent: &str, name: &str) -> String {
        if value.is_empty() {
            self.problem(path::field(parent, name), REQUIRED);
        }
        value.to_owned()
    }

    /// `None` if it is not given or is no duration, having noted the latter.
    fn duration(&mut self, value: Option<&prost_types::Duration>, path: &str) -> Option<Duration> {
        let duration = Duration::try_from(*value?);
        if duration.is_err() {
            self.problem(path, "must not be negative");
        }
        duration.ok()
    }

    /// The host and the port of an address.
    fn host_and_port(&mut self, address: Option<&core::Address>, path: &str) -> Option<(String, u16)> {
        let Some(address) = address else {
            self.problem(path, REQUIRED);
            return None;
        };
        let Some(core::address::Address::SocketAddress(socket)) = &address.address else {
            self.problem(path::field(path, "socket_address"), REQUIRED);
            return None;
        };
        let path = path::field(path, "socket_address");
        let before = self.problems.len();
        if socket.protocol() == core::socket_address::Protocol::Udp {
            self.problem(
                path::field(&path, "protocol"),
                "UDP is not supported; supported: TCP",
            );
        }
        let host = self.required(&socket.address, &path, "address");
        let port_path = path::field(&path, "port_value");
        let port = match socket.port_specifier {
            None => {
                self.problem(port_path, REQUIRED);
                None
            }
            Some(core::socket_address::PortSpecifier::PortValue(port)) => {
                let port = u16::try_from(port);
                if port.is_err() {
                    self.problem(port_path, "a port is at most 65535");
                }
                port.ok()
            }
        };
        port.filter(|_| self.problems.len() == before)
            .map(|port| (host, port))
    }

    /// An address to listen on.
    fn socket_address(&mut self, address: Option<&core::Address>, path: &str) -> Option<SocketAddr> {
        let (host, port) = self.host_and_port(address, path)?;
        let ip: Result<IpAddr, _> = host.parse();
        if ip.is_err() {
            self.problem(
                path::field(path, "socket_address.address"),
                format!("malformed IP address: {host}"),
            );
        }
        ip.ok().map(|ip| SocketAddr::new(ip, port))
    }

    /// The bytes of a data source, fetched.
    fn data(&mut self, source: &core::DataSource, path: &str) -> Option<Vec<u8>> {
        use core::data_source::Specifier;
        self.not_watched(source, path);
        match &source.specifier {
            None => {
                self.problem(path, data_source_required());
                None
            }
            Some(Specifier::InlineBytes(bytes)) => Some(bytes.clone()),
            Some(Specifier::InlineString(text)) => Some(text.clone().into_bytes()),
            Some(Specifier::Filename(name)) => match self.outside.file(Path::new(name)) {
                Ok(bytes) => Some(bytes),
                Err(error) => {
                    self.problem(
                        path::field(path, "filename"),
                        format!("Invalid path: {name}: {error}"),
                    );
                    None
                }
            },
            Some(Specifier::EnvironmentVariable(name)) => {
                let value = self.outside.variable(name);
                if value.is_none() {
                    let message = format!("Environment variable doesn't exist: {name}");
                    self.problem(path::field(path, "environment_variable"), message);
                }
                value.map(String::into_bytes)
            }
        }
    }
}

impl Check<'_> {
    /// Refuses what would have a file read again when it changes.
    fn not_watched(&mut self, source: &core::DataSource, path: &str) {
        if source.watched_directory.is_some() {
            self.problem(
                path::field(path, "watched_directory"),
                "not supported: this file is read once; reload the configuration to read it again",
            );
        }
    }
}

fn data_source_required() -> &'static str {
    "one of filename, inline_bytes, inline_string, environment_variable is required"
}
