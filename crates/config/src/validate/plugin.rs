//! `PluginConfig` and what is in it.

use std::collections::BTreeSet;
use std::time::Duration;

use prost_types::Any;

use super::{Check, REQUIRED, data_source_required};
use crate::model::{BackOff, Code, FailurePolicy, Plugin, PluginSource, Vm, WasmFilter};
use crate::proto::envoy::config::core::v3 as core;
use crate::proto::envoy::extensions::wasm::v3 as wasm;
use crate::{path, plugin_bytes, suggest};

impl Check<'_> {
    /// What the configuration of a filter or an access logger says, whose `config` is the plugin.
    pub(super) fn wasm_filter(
        &mut self,
        name: String,
        config: Option<&wasm::PluginConfig>,
        path: &str,
    ) -> Option<WasmFilter> {
        let (path, plugin) = self.plugin_of(config, path)?;
        let source = PluginSource::Static(plugin);
        Some(WasmFilter { name, path, source })
    }

    pub(crate) fn plugin(&mut self, message: &wasm::PluginConfig, path: &str) -> Option<Plugin> {
        let configuration = self.configuration(message.configuration.as_ref(), path);
        let failure_policy = self.failure_policy(message, path);
        let vm_path = path::field(path, "vm_config");
        let Some(wasm::plugin_config::Vm::VmConfig(vm)) = &message.vm else {
            self.problem(vm_path, REQUIRED);
            return None;
        };
        let capabilities = self.capabilities(message, vm, path, &vm_path);
        let vm = self.vm(vm, &message.name, &vm_path)?;
        Some(Plugin {
            name: message.name.clone(),
            root_id: message.root_id.clone(),
            vm,
            configuration: configuration?,
            failure_policy: failure_policy?,
            capabilities,
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

    pub(super) fn back_off(&mut self, message: &core::BackoffStrategy, path: &str) -> Option<BackOff> {
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
        let runtime = self.runtime(&message.runtime, path);
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
            key_values: message
                .environment_variables
                .as_ref()
                .map_or(0, |variables| variables.key_values.len()),
        })
    }

    fn runtime(&mut self, given: &str, path: &str) -> String {
        let path = path::field(path, "runtime");
        let name = match given {
            "" => self.outside.default_runtime().unwrap_or_default(),
            given => given.to_owned(),
        };
        if name.is_empty() {
            self.problem(path, REQUIRED);
        } else if let Some(known) = self.outside.runtimes()
            && !known.contains(&name)
        {
            let hint = match self.outside.feature_of(&name) {
                Some(feature) => {
                    format!("It is not compiled in: build with the cargo feature `{feature}`. ")
                }
                None => match suggest::nearest(&name, known.iter().map(String::as_str)) {
                    Some(near) => format!("Did you mean `{near}`? "),
                    None => String::new(),
                },
            };
            let known = match known.as_slice() {
                [] => "No runtime is compiled in".to_owned(),
                known => format!("Available: {}", known.join(", ")),
            };
            // It begins as in Envoy, where it is found out later.
            self.problem(
                path,
                format!("Failed to create Wasm VM using {name} runtime. {hint}{known}"),
            );
        }
        name
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
            Some(Some(Specifier::Remote(remote))) => self
                .remote_code(remote, &path::field(path, "remote"))
                .map(Code::Remote),
        }
    }

    fn local_code(&mut self, message: &core::DataSource, path: &str) -> Option<Code> {
        use core::data_source::Specifier;
        self.not_watched(message, path);
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
