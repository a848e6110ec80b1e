//! Counts requests in shared data: `x-shared-count` on the response is the number of this request, `x-shared-retries` how
//! often another VM came in between. The plugin configuration is the key; without one, `counter`.
#![forbid(unsafe_code)]

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, Status};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        Box::new(Root {
            key: Rc::from("counter"),
        })
    });
}

struct Root {
    key: Rc<str>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        match std::str::from_utf8(text.trim_ascii()) {
            Ok("") => {}
            Ok(key) => self.key = Rc::from(key),
            Err(_) => return false,
        }
        // A key that is not there has no version to compare: two VMs that saw none would both write 1.
        match self.get_shared_data(&self.key) {
            (None, None) => self.set_shared_data(&self.key, Some(b"0"), None).is_ok(),
            _ => true,
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            key: Rc::clone(&self.key),
            count: 0,
            retries: 0,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    key: Rc<str>,
    count: u64,
    retries: u64,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        loop {
            let (value, version) = self.get_shared_data(&self.key);
            let value = value.and_then(|value| String::from_utf8(value).ok());
            let before: u64 = value.and_then(|value| value.parse().ok()).unwrap_or(0);
            self.count = before + 1;
            let after = self.count.to_string();
            match self.set_shared_data(&self.key, Some(after.as_bytes()), version) {
                Err(Status::CasMismatch) => self.retries += 1,
                _ => return Action::Continue,
            }
        }
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.add_http_response_header("x-shared-count", &self.count.to_string());
        self.add_http_response_header("x-shared-retries", &self.retries.to_string());
        Action::Continue
    }
}
