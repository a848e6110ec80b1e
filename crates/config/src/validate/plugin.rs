//! `PluginConfig` and what is in it.

use std::collections::BTreeSet;
use std::time::Duration;

use prost_types::Any;

use super::{Check, REQUIRED, data_source_required};
use crate::model::{BackOff, Capabilities, Code, FailurePolicy, Plugin, RemoteCode, Vm, WasmFilter};
use crate::proto::envoy::config::core::v3 as core;
use crate::proto::envoy::extensions::wasm::v3 as wasm;
use crate::{path, plugin_bytes};

impl Check<'_> {
    /// What the configuration of a filter or an access logger says, whose `config` is the plugin.
    pub(super) fn wasm_filter(
        &mut self,
        name: String,
        config: Option<&wasm::PluginConfig>,
        path: &str,
    ) -> Option<WasmFilter> {
        let path = path::field(path, "config");
        let Some(config) = config else {
            self.problem(path, REQUIRED);
            return None;
        };
        let plugin = self.plugin(config, &path)?;
        Some(WasmFilter { name, path, plugin })
    }

    pub(crate) fn plugin(&mut self, message: &wasm::PluginConfig, path: &str) -> Option<Plugin> {
        let configuration = self.configuration(message.configuration.as_ref(), path);
        let failure_policy = self.failure_policy(message, path);
        let vm_path = path::field(path, "vm_config");
        let Some(wasm::plugin_config::Vm::VmConfig(vm)) = &message.vm else {
            self.problem(vm_path, REQUIRED);
            return None;
        };
        let vm = self.vm(vm, &message.name, &vm_path)?;
        let allowed = message.capability_restriction_config.iter();
        let allowed: BTreeSet<String> = allowed
            .flat_map(|config| config.allowed_capabilities.keys().cloned())
            .collect();
        Some(Plugin {
            name: message.name.clone(),
            root_id: message.root_id.clone(),
            vm,
            configuration: configuration?,
            failure_policy: failure_policy?,
            capabilities: if allowed.is_empty() {
                Capabilities::All
            } else {
                Capabilities::Only(allowed)
            },
            allow_on_headers_stop_iteration: message.allow_on_headers_stop_iteration,
        })
    }

    fn configuration(&mut self, any: Option<&Any>, parent: &str) -> Option<Vec<u8>> {
        let Some(any) = any else { return Some(Vec::new()) };
        let bytes = plugin_bytes::of(any);
        bytes
            .map_err(|message| self.problem(path::field(parent, "configuration"), message))
            .ok()
    }

    fn failure_policy(&mut self, message: &wasm::PluginConfig, path: &str) -> Option<FailurePolicy> {
        use wasm::FailurePolicy as Policy;
        let reload = message
            .reload_config
            .as_ref()
            .and_then(|reload| reload.backoff.as_ref());
        let back_off = match reload {
            Some(back_off) => self.back_off(back_off, &path::field(path, "reload_config.backoff")),
            None => Some(BackOff::default()),
        };
        let Ok(policy) = Policy::try_from(message.failure_policy) else {
            self.problem(path::field(path, "failure_policy"), "no such policy");
            return None;
        };
        if message.fail_open && policy != Policy::Unspecified {
            let problem = "only one of fail_open or failure_policy can be set";
            self.problem(path::field(path, "fail_open"), problem);
            return None;
        }
        match policy {
            Policy::Unspecified if message.fail_open => Some(FailurePolicy::FailOpenAtOnce),
            Policy::Unspecified | Policy::FailClosed => Some(FailurePolicy::FailClosed),
            Policy::FailOpen => Some(FailurePolicy::FailOpen),
            Policy::FailReload => back_off.map(FailurePolicy::FailReload),
        }
    }

    fn back_off(&mut self, message: &core::BackoffStrategy, path: &str) -> Option<BackOff> {
        let base_path = path::field(path, "base_interval");
        if message.base_interval.is_none() {
            self.problem(base_path, REQUIRED);
            return None;
        }
        let base_interval = self.duration(message.base_interval.as_ref(), &base_path)?;
        if base_interval < Duration::from_millis(1) {
            self.problem(base_path, "must be at least 0.001s");
            return None;
        }
        let max_path = path::field(path, "max_interval");
        let max_interval = match &message.max_interval {
            Some(given) => self.duration(Some(given), &max_path)?,
            None => base_interval.saturating_mul(10),
        };
        if max_interval < base_interval {
            self.problem(max_path, "must be greater than or equal to the base_interval");
            return None;
        }
        Some(BackOff {
            base_interval,
            max_interval,
        })
    }

    fn vm(&mut self, message: &wasm::VmConfig, plugin: &str, path: &str) -> Option<Vm> {
        let runtime = self.required(&message.runtime, path, "runtime");
        let configuration = self.configuration(message.configuration.as_ref(), path);
        let environment = match &message.environment_variables {
            Some(variables) => {
                self.environment(variables, plugin, &path::field(path, "environment_variables"))
            }
            None => Vec::new(),
        };
        let code = self.code(message.code.as_ref(), &path::field(path, "code"));
        Some(Vm {
            vm_id: message.vm_id.clone(),
            runtime,
            code: code?,
            configuration: configuration?,
            allow_precompiled: message.allow_precompiled,
            nack_on_code_cache_miss: message.nack_on_code_cache_miss,
            environment,
        })
    }

    fn code(&mut self, message: Option<&core::AsyncDataSource>, path: &str) -> Option<Code> {
        use core::async_data_source::Specifier;
        match message.map(|message| &message.specifier) {
            None => {
                self.problem(path, REQUIRED);
                None
            }
            Some(None) => {
                self.problem(path, "one of local, remote is required");
                None
            }
            Some(Some(Specifier::Local(local))) => self.local_code(local, &path::field(path, "local")),
            Some(Some(Specifier::Remote(remote))) => self.remote_code(remote, &path::field(path, "remote")),
        }
    }

    fn local_code(&mut self, message: &core::DataSource, path: &str) -> Option<Code> {
        use core::data_source::Specifier;
        let Some(specifier) = &message.specifier else {
            self.problem(path, data_source_required());
            return None;
        };
        Some(match specifier {
            Specifier::Filename(name) => Code::LocalFile(self.required(name, path, "filename").into()),
            Specifier::InlineBytes(bytes) => Code::InlineBytes(bytes.clone()),
            Specifier::InlineString(text) => Code::InlineString(text.clone()),
            Specifier::EnvironmentVariable(name) => {
                Code::EnvironmentVariable(self.required(name, path, "environment_variable"))
            }
        })
    }

    fn remote_code(&mut self, message: &core::RemoteDataSource, path: &str) -> Option<Code> {
        let sha256 = self
            .required(&message.sha256, path, "sha256")
            .to_ascii_lowercase();
        let retry = message.retry_policy.as_ref();
        let back_off = match retry.and_then(|retry| retry.retry_back_off.as_ref()) {
            Some(back_off) => self.back_off(back_off, &path::field(path, "retry_policy.retry_back_off")),
            None => Some(BackOff::default()),
        };
        let uri_path = path::field(path, "http_uri");
        let Some(http) = &message.http_uri else {
            self.problem(uri_path, REQUIRED);
            return None;
        };
        let uri = self.required(&http.uri, &uri_path, "uri");
        let cluster = match &http.http_upstream_type {
            Some(core::http_uri::HttpUpstreamType::Cluster(cluster)) => cluster.as_str(),
            None => "",
        };
        let cluster = self.required(cluster, &uri_path, "cluster");
        let timeout_path = path::field(&uri_path, "timeout");
        if http.timeout.is_none() {
            self.problem(timeout_path.as_str(), REQUIRED);
        }
        let timeout = self.duration(http.timeout.as_ref(), &timeout_path)?;
        let num_retries = retry.and_then(|retry| retry.num_retries).unwrap_or(1);
        Some(Code::Remote(RemoteCode {
            uri,
            cluster,
            timeout,
            sha256,
            num_retries,
            back_off: back_off?,
        }))
    }

    fn environment(
        &mut self,
        message: &wasm::EnvironmentVariables,
        plugin: &str,
        path: &str,
    ) -> Vec<(String, String)> {
        let keys_path = path::field(path, "host_env_keys");
        let values_path = path::field(path, "key_values");
        let mut variables = Vec::new();
        let mut seen: BTreeSet<&str> = message.key_values.keys().map(String::as_str).collect();
        for (at, key) in message.host_env_keys.iter().enumerate() {
            let path = path::index(&keys_path, at);
            self.variable_name(key, &path);
            if !seen.insert(key) {
                self.problem(
                    path,
                    format!(
                        "Key {key} is duplicated in envoy.extensions.wasm.v3.VmConfig.environment_variables for \
                         {plugin}. All the keys must be unique."
                    ),
                );
            } else if let Some(value) = self.outside.variable(key) {
                variables.push((key.clone(), value));
            }
        }
        for (key, value) in &message.key_values {
            let path = path::key(&values_path, key);
            self.variable_name(key, &path);
            if value.contains('\0') {
                self.problem(path, "the value of a variable must not contain a zero byte");
            }
            variables.push((key.clone(), value.clone()));
        }
        variables
    }

    /// WASI hands variables over as `KEY=VALUE` and a zero byte, so other names would arrive as something else.
    fn variable_name(&mut self, name: &str, path: &str) {
        if name.is_empty() || name.contains(['=', '\0']) {
            self.problem(
                path,
                "the name of a variable must not be empty or contain `=` or a zero byte",
            );
        }
    }
}
