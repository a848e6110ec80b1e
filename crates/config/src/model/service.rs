//! Plugins that serve no request.

use std::time::Duration;

use super::Plugin;

/// A plugin that runs beside the listeners, for its timers, queues and callouts
/// (`envoy.bootstrap.wasm`, `envoy.extensions.wasm.v3.WasmService`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Service {
    /// The extension's name, often `envoy.bootstrap.wasm`.
    pub name: String,
    /// The path of the plugin's configuration in the file, for messages.
    pub path: String,
    /// The plugin.
    pub plugin: Plugin,
    /// `singleton`: one VM for the process, on its main thread; otherwise one for the main thread and one for each worker.
    pub singleton: bool,
}

/// A plugin that is told of statistics, by `proxy_on_stats_update`
/// (`envoy.stat_sinks.wasm`, `envoy.extensions.stat_sinks.wasm.v3.Wasm`).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct StatsSink {
    /// The sink's name, often `envoy.stat_sinks.wasm`. May be empty.
    pub name: String,
    /// The path of the plugin's configuration in the file, for messages.
    pub path: String,
    /// The plugin.
    pub plugin: Plugin,
}

/// When sinks are told of statistics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum StatsFlush {
    /// `stats_flush_interval`: this often. 5 s unless given; at least 1 ms and less than 300 s.
    Every(Duration),
    /// `stats_flush_on_admin`: when the admin interface is asked for statistics.
    OnAdmin,
}

impl Default for StatsFlush {
    fn default() -> Self {
        Self::Every(Duration::from_secs(5))
    }
}
