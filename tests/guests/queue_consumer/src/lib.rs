//! Registers a queue, logs each item that comes and counts it in the counter `queue_consumed`. The plugin configuration
//! is the queue's name; without one, `items`. As an HTTP filter it does nothing.
#![forbid(unsafe_code)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel, MetricType};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { consumed: None }));
}

struct Root {
    consumed: Option<u32>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let name = match std::str::from_utf8(text.trim_ascii()) {
            Ok("") => "items",
            Ok(name) => name,
            Err(_) => return false,
        };
        self.consumed = hostcalls::define_metric(MetricType::Counter, "queue_consumed").ok();
        self.register_shared_queue(name);
        true
    }

    fn on_queue_ready(&mut self, queue_id: u32) {
        // One word of it may stand for several items, and another worker may have been faster.
        loop {
            match self.dequeue_shared_queue(queue_id) {
                Ok(Some(item)) => {
                    log::info!("queue_consumer: {}", String::from_utf8_lossy(&item));
                    if let Some(metric) = self.consumed {
                        let _ = hostcalls::increment_metric(metric, 1);
                    }
                }
                Ok(None) => return,
                Err(status) => {
                    log::error!("queue_consumer: {status:?}");
                    return;
                }
            }
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

impl Context for Stream {}

impl HttpContext for Stream {}
