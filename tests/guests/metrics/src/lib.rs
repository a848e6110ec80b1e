//! One metric of each type: the counter `metrics_requests`, the gauge `metrics_active` (requests that are not at their
//! end) and the histogram `metrics_path_bytes` (length of the path). `x-requests` and `x-active` on the response are the
//! first two as the host gives them. The plugin configuration is another word for `metrics` in the names.
#![forbid(unsafe_code)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { metrics: None }));
}

#[derive(Clone, Copy)]
struct Metrics {
    requests: u32,
    active: u32,
    path_bytes: u32,
}

struct Root {
    metrics: Option<Metrics>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let prefix = match std::str::from_utf8(text.trim_ascii()) {
            Ok("") => "metrics",
            Ok(prefix) => prefix,
            Err(_) => return false,
        };
        let define = |kind, name| hostcalls::define_metric(kind, &format!("{prefix}_{name}"));
        let metrics = || {
            Ok(Metrics {
                requests: define(MetricType::Counter, "requests")?,
                active: define(MetricType::Gauge, "active")?,
                path_bytes: define(MetricType::Histogram, "path_bytes")?,
            })
        };
        self.metrics = metrics().map_err(|_: proxy_wasm::types::Status| ()).ok();
        self.metrics.is_some()
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            metrics: self.metrics?,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    metrics: Metrics,
}

impl Stream {
    fn show(&self, name: &str, metric: u32) {
        let value = match hostcalls::get_metric(metric) {
            Ok(value) => value.to_string(),
            Err(status) => format!("{status:?}"),
        };
        self.add_http_response_header(name, &value);
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let path = self.get_http_request_header_bytes(":path").unwrap_or_default();
        // The statuses are looked at in the tests of the functions; here the values are.
        let _ = hostcalls::increment_metric(self.metrics.requests, 1);
        let _ = hostcalls::increment_metric(self.metrics.active, 1);
        let _ = hostcalls::record_metric(self.metrics.path_bytes, path.len() as u64);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.show("x-requests", self.metrics.requests);
        self.show("x-active", self.metrics.active);
        Action::Continue
    }

    fn on_log(&mut self) {
        let _ = hostcalls::increment_metric(self.metrics.active, -1);
    }
}
