//! Plugins that serve no request: services and stats sinks.

use std::time::Duration;

use super::{Check, REQUIRED};
use crate::descriptors::{WASM_SERVICE, WASM_STATS_SINK};
use crate::model::{Plugin, Service, StatsFlush, StatsSink};
use crate::path;
use crate::proto::envoy::config::bootstrap::v3::{Bootstrap, bootstrap};
use crate::proto::envoy::config::core::v3::TypedExtensionConfig;
use crate::proto::envoy::config::metrics::v3::{self as metrics, stats_sink};
use crate::proto::envoy::extensions::stat_sinks::wasm::v3::Wasm;
use crate::proto::envoy::extensions::wasm::v3::{PluginConfig, WasmService};

/// Envoy's bounds on `stats_flush_interval`; the upper one is not in it.
const FLUSH_INTERVAL: std::ops::Range<Duration> = Duration::from_millis(1)..Duration::from_secs(300);

impl Check<'_> {
    pub(super) fn services(&mut self, messages: &[TypedExtensionConfig], path: &str) -> Vec<Service> {
        let mut services = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            let path = path::index(path, at);
            let name = self.required(&message.name, &path, "name");
            let path = path::field(&path, "typed_config");
            let Some(any) = &message.typed_config else {
                self.problem(path, REQUIRED);
                continue;
            };
            let service: Option<WasmService> = self.unpack(any, &[WASM_SERVICE], &path);
            let Some(service) = service else { continue };
            let Some((path, plugin)) = self.plugin_of(service.config.as_ref(), &path) else {
                continue;
            };
            services.push(Service {
                name,
                path,
                plugin,
                singleton: service.singleton,
            });
        }
        services
    }

    pub(super) fn stats_sinks(&mut self, messages: &[metrics::StatsSink], path: &str) -> Vec<StatsSink> {
        let mut sinks = Vec::new();
        for (at, message) in messages.iter().enumerate() {
            let path = path::field(&path::index(path, at), "typed_config");
            let Some(stats_sink::ConfigType::TypedConfig(any)) = &message.config_type else {
                self.problem(path, REQUIRED);
                continue;
            };
            let sink: Option<Wasm> = self.unpack(any, &[WASM_STATS_SINK], &path);
            let Some(sink) = sink else { continue };
            let plugin = self.plugin_of(sink.config.as_ref(), &path);
            sinks.extend(plugin.map(|(path, plugin)| StatsSink {
                name: message.name.clone(),
                path,
                plugin,
            }));
        }
        sinks
    }

    pub(super) fn stats_flush(&mut self, message: &Bootstrap) -> StatsFlush {
        const INTERVAL: &str = "stats_flush_interval";
        let interval = self.duration(message.stats_flush_interval.as_ref(), INTERVAL);
        if interval.is_some_and(|interval| !FLUSH_INTERVAL.contains(&interval)) {
            self.problem(INTERVAL, "must be at least 0.001s and less than 300s");
        }
        if let Some(bootstrap::StatsFlush::StatsFlushOnAdmin(on)) = message.stats_flush {
            const ON_ADMIN: &str = "stats_flush_on_admin";
            if !on {
                self.problem(ON_ADMIN, "must be true if given");
            }
            if message.stats_flush_interval.is_some() {
                let problem = "Only one of stats_flush_interval or stats_flush_on_admin should be set!";
                self.problem(ON_ADMIN, problem);
            }
            return StatsFlush::OnAdmin;
        }
        interval.map(StatsFlush::Every).unwrap_or_default()
    }

    /// The plugin in the `config` of something at `path`, with the path of that.
    pub(super) fn plugin_of(
        &mut self,
        config: Option<&PluginConfig>,
        path: &str,
    ) -> Option<(String, Plugin)> {
        let path = path::field(path, "config");
        let Some(config) = config else {
            self.problem(path, REQUIRED);
            return None;
        };
        let plugin = self.plugin(config, &path)?;
        Some((path, plugin))
    }
}
