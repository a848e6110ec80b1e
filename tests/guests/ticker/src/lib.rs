//! Counts ticks, in the counter `ticker_ticks` and in its log; `x-ticks` on a response is how many its VM saw. The plugin
//! configuration is `PERIOD` or `PERIOD LIMIT`: milliseconds (100 without one), and the tick that is the last (none
//! without one).
#![forbid(unsafe_code)]

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}

#[derive(Default)]
struct Root {
    metric: Option<u32>,
    ticks: Rc<Cell<u64>>,
    limit: Option<u64>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let numbers: Option<Vec<u32>> = String::from_utf8_lossy(&text)
            .split_whitespace()
            .map(|word| word.parse().ok())
            .collect();
        let (period, limit) = match numbers.as_deref() {
            Some([]) => (100, None),
            Some([period]) => (*period, None),
            Some([period, limit]) => (*period, Some(u64::from(*limit))),
            _ => {
                log::error!("ticker: bad configuration: not PERIOD or PERIOD LIMIT");
                return false;
            }
        };
        self.limit = limit;
        self.metric = hostcalls::define_metric(MetricType::Counter, "ticker_ticks").ok();
        self.set_tick_period(Duration::from_millis(period.into()));
        true
    }

    fn on_tick(&mut self) {
        let ticks = self.ticks.get() + 1;
        self.ticks.set(ticks);
        log::info!("ticker: tick {ticks}");
        if let Some(metric) = self.metric {
            let _ = hostcalls::increment_metric(metric, 1);
        }
        if self.limit == Some(ticks) {
            self.set_tick_period(Duration::ZERO);
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            ticks: Rc::clone(&self.ticks),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    ticks: Rc<Cell<u64>>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.add_http_response_header("x-ticks", &self.ticks.get().to_string());
        Action::Continue
    }
}
