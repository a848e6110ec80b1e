//! Fails on request.
//!
//! A request whose header `x-crash` names a callback (`request_headers`, `request_body`, `response_headers`,
//! `response_body`, `log`) makes that callback panic. The VM configuration `vm_start` makes the VM's start return false;
//! the plugin configuration `configure` makes the configuration return false, and `panic_configure` makes it panic.
#![forbid(unsafe_code)]

use log::info;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, Bytes, ContextType, LogLevel};

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
    fn on_vm_start(&mut self, _vm_configuration_size: usize) -> bool {
        let text = self.get_vm_configuration().unwrap_or_default();
        text.trim_ascii() != b"vm_start"
    }

    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        match text.trim_ascii() {
            b"configure" => false,
            b"panic_configure" => panic!("crash: told to panic in configure"),
            _ => true,
        }
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::default()))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// The value of `x-crash`, kept because later callbacks cannot rely on still seeing the request's headers.
#[derive(Default)]
struct Stream {
    at: Option<Bytes>,
}

impl Stream {
    fn crash_if_at(&self, callback: &str) {
        if self.at.as_deref() == Some(callback.as_bytes()) {
            panic!("crash: told to panic in {callback}");
        }
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.at = self.get_http_request_header_bytes("x-crash");
        if let Some(at) = &self.at {
            info!("crash: asked for {}", String::from_utf8_lossy(at));
        }
        self.crash_if_at("request_headers");
        Action::Continue
    }

    fn on_http_request_body(&mut self, _body_size: usize, _end_of_stream: bool) -> Action {
        self.crash_if_at("request_body");
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.crash_if_at("response_headers");
        Action::Continue
    }

    fn on_http_response_body(&mut self, _body_size: usize, _end_of_stream: bool) -> Action {
        self.crash_if_at("response_body");
        Action::Continue
    }

    fn on_log(&mut self) {
        self.crash_if_at("log");
    }
}
