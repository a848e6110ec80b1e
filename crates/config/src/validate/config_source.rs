//! `ConfigSource`: files and servers that configurations come from.

use std::time::Duration;

use super::{Check, REQUIRED};
use crate::model::{ConfigSource, FileSource, GrpcSource};
use crate::path;
use crate::proto::envoy::config::core::v3 as core;

/// Envoy's default for `initial_fetch_timeout`.
const INITIAL_FETCH_TIMEOUT: Duration = Duration::from_secs(15);
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(1);

impl Check<'_> {
    /// Where from, and how long to wait for it.
    pub(super) fn config_source(
        &mut self,
        message: &core::ConfigSource,
        path: &str,
    ) -> (Option<ConfigSource>, Option<Duration>) {
        use core::config_source::ConfigSourceSpecifier as Specifier;
        if !message.authorities.is_empty() {
            self.problem(path::field(path, "authorities"), "not supported");
        }
        self.third_version(
            message.resource_api_version(),
            path::field(path, "resource_api_version"),
        );
        let timeout = match &message.initial_fetch_timeout {
            None => Some(INITIAL_FETCH_TIMEOUT),
            Some(given) => self
                .duration(Some(given), &path::field(path, "initial_fetch_timeout"))
                .filter(|timeout| !timeout.is_zero()),
        };
        let source = match &message.config_source_specifier {
            None => {
                self.problem(path, "one of path_config_source, api_config_source is required");
                None
            }
            Some(Specifier::Path(file)) => Some(ConfigSource::File(FileSource {
                path: self.required(file, path, "path").into(),
                watched_directory: None,
                watch_modify: false,
                poll_interval: None,
            })),
            Some(Specifier::PathConfigSource(file)) => Some(ConfigSource::File(
                self.file_source(file, &path::field(path, "path_config_source")),
            )),
            Some(Specifier::ApiConfigSource(api)) => self
                .grpc_source(api, &path::field(path, "api_config_source"))
                .map(ConfigSource::Grpc),
            Some(Specifier::Ads(_)) => {
                let problem = "not supported: there is no aggregated stream here; use api_config_source";
                self.problem(path::field(path, "ads"), problem);
                None
            }
            Some(Specifier::Self_(_)) => {
                let problem = "not supported: this configuration comes from no server; use api_config_source";
                self.problem(path::field(path, "self"), problem);
                None
            }
        };
        (source, timeout)
    }

    fn file_source(&mut self, message: &core::PathConfigSource, path: &str) -> FileSource {
        let file = self.required(&message.path, path, "path");
        let watched = message.watched_directory.as_ref();
        let directory = watched.map(|watched| {
            self.required(&watched.path, &path::field(path, "watched_directory"), "path")
                .into()
        });
        let interval_path = path::field(path, "poll_interval");
        let poll_interval = self.duration(message.poll_interval.as_ref(), &interval_path);
        if poll_interval.is_some_and(|interval| interval < MIN_POLL_INTERVAL) {
            self.problem(interval_path.as_str(), "must be at least 0.001s");
        }
        if watched.is_some() && message.poll_interval.is_some() {
            self.problem(
                interval_path,
                "PathConfigSource poll_interval and watched_directory cannot both be set",
            );
        }
        FileSource {
            path: file.into(),
            watched_directory: directory,
            watch_modify: watched.is_some_and(|watched| watched.watch_modify),
            poll_interval,
        }
    }

    fn grpc_source(&mut self, message: &core::ApiConfigSource, path: &str) -> Option<GrpcSource> {
        use core::api_config_source::ApiType;
        let before = self.problems.len();
        if message.api_type() != ApiType::Grpc {
            let problem = format!(
                "{} is not supported; supported: GRPC",
                message.api_type().as_str_name()
            );
            self.problem(path::field(path, "api_type"), problem);
        }
        self.third_version(
            message.transport_api_version(),
            path::field(path, "transport_api_version"),
        );
        for (field, given) in [
            ("cluster_names", !message.cluster_names.is_empty()),
            ("refresh_delay", message.refresh_delay.is_some()),
            ("request_timeout", message.request_timeout.is_some()),
        ] {
            if given {
                self.problem(path::field(path, field), "for REST, which is not supported");
            }
        }
        for (field, given) in [
            ("rate_limit_settings", message.rate_limit_settings.is_some()),
            ("config_validators", !message.config_validators.is_empty()),
        ] {
            if given {
                self.problem(path::field(path, field), "not supported");
            }
        }
        let services_path = path::field(path, "grpc_services");
        let [service] = message.grpc_services.as_slice() else {
            let count = message.grpc_services.len();
            self.problem(services_path, format!("exactly one is supported, found {count}"));
            return None;
        };
        let source = self.grpc_service(service, &path::index(&services_path, 0))?;
        (self.problems.len() == before).then_some(GrpcSource {
            node_on_first_message_only: message.set_node_on_first_message_only,
            ..source
        })
    }

    fn grpc_service(&mut self, message: &core::GrpcService, path: &str) -> Option<GrpcSource> {
        if message.retry_policy.is_some() {
            self.problem(path::field(path, "retry_policy"), "not supported");
        }
        let timeout = self.duration(message.timeout.as_ref(), &path::field(path, "timeout"));
        let mut initial_metadata = Vec::with_capacity(message.initial_metadata.len());
        for (at, header) in message.initial_metadata.iter().enumerate() {
            let path = path::index(&path::field(path, "initial_metadata"), at);
            initial_metadata.extend(self.header(header, &path));
        }
        let path = path::field(path, "envoy_grpc");
        let Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(target)) = &message.target_specifier else {
            self.problem(path, REQUIRED);
            return None;
        };
        if target.retry_policy.is_some() {
            self.problem(path::field(&path, "retry_policy"), "not supported");
        }
        let cluster = self.required(&target.cluster_name, &path, "cluster_name");
        if !cluster.is_empty() {
            self.known_cluster(&cluster, path::field(&path, "cluster_name"));
        }
        let given = !target.authority.is_empty();
        Some(GrpcSource {
            authority: if given { &target.authority } else { &cluster }.clone(),
            cluster,
            timeout: timeout.filter(|timeout| !timeout.is_zero()),
            initial_metadata,
            max_receive_message_length: target.max_receive_message_length.filter(|length| *length > 0),
            node_on_first_message_only: false,
        })
    }

    fn third_version(&mut self, version: core::ApiVersion, path: String) {
        if version == core::ApiVersion::V2 {
            self.problem(path, "V2 is not supported; supported: V3");
        }
    }

    /// A header to send as it is.
    fn header(&mut self, message: &core::HeaderValue, path: &str) -> Option<(String, Vec<u8>)> {
        let before = self.problems.len();
        let key = self.required(&message.key, path, "key").to_ascii_lowercase();
        let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        if !key.bytes().all(token) {
            self.problem(path::field(path, "key"), "is not the name of a header");
        }
        if !message.value.is_empty() && !message.raw_value.is_empty() {
            self.problem(
                path::field(path, "raw_value"),
                "cannot be given together with `value`",
            );
        }
        let (field, value) = match message.raw_value.is_empty() {
            true => ("value", message.value.as_bytes()),
            false => ("raw_value", message.raw_value.as_slice()),
        };
        if field == "value" && message.value.contains('%') {
            let problem =
                "commands in `%` are not supported; a value with `%` in it can be given as raw_value";
            self.problem(path::field(path, field), problem);
        }
        if value.iter().any(|byte| matches!(byte, 0..=8 | 10..=31 | 127)) {
            self.problem(path::field(path, field), "has a byte that headers cannot have");
        }
        (self.problems.len() == before).then(|| (key, value.to_vec()))
    }
}
