//! Logs each trailer, takes `x-remove` away, puts `replaced` in `x-replace` if it is there, and adds `x-trailers`: how
//! many there were.
#![forbid(unsafe_code)]

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream;

fn log(of: &str, trailers: Vec<(String, Vec<u8>)>) {
    for (name, value) in trailers {
        log::info!("{of} trailer: {name}: {}", String::from_utf8_lossy(&value));
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_trailers(&mut self, num_trailers: usize) -> Action {
        log("request", self.get_http_request_trailers_bytes());
        self.remove_http_request_trailer("x-remove");
        if self.get_http_request_trailer_bytes("x-replace").is_some() {
            self.set_http_request_trailer("x-replace", Some("replaced"));
        }
        self.add_http_request_trailer("x-trailers", &num_trailers.to_string());
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, num_trailers: usize) -> Action {
        log("response", self.get_http_response_trailers_bytes());
        self.remove_http_response_trailer("x-remove");
        if self.get_http_response_trailer_bytes("x-replace").is_some() {
            self.set_http_response_trailer("x-replace", Some("replaced"));
        }
        self.add_http_response_trailer("x-trailers", &num_trailers.to_string());
        Action::Continue
    }
}
