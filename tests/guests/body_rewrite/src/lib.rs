//! Buffers each body to its end and replaces it: the request body in upper-case ASCII, the response body behind
//! `rewritten: `.
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

const RESPONSE_PREFIX: &[u8] = b"rewritten: ";

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream::default()))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Bytes of a body that are buffered and not rewritten yet. Trailers end a body without a last body callback, so they
/// need to know.
#[derive(Default)]
struct Stream {
    request_held: Option<usize>,
    response_held: Option<usize>,
}

impl Stream {
    fn rewrite_request(&self, size: usize) {
        let mut body = self.get_http_request_body(0, size).unwrap_or_default();
        body.make_ascii_uppercase();
        self.set_http_request_body(0, size, &body);
    }

    fn rewrite_response(&self, size: usize) {
        let body = self.get_http_response_body(0, size).unwrap_or_default();
        self.set_http_response_body(0, size, &[RESPONSE_PREFIX, &body].concat());
    }
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.remove_http_request_header("content-length");
        Action::Continue
    }

    fn on_http_request_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        if !end_of_stream {
            self.request_held = Some(body_size);
            return Action::Pause;
        }
        self.request_held = None;
        self.rewrite_request(body_size);
        Action::Continue
    }

    fn on_http_request_trailers(&mut self, _num_trailers: usize) -> Action {
        if let Some(size) = self.request_held.take() {
            self.rewrite_request(size);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        self.remove_http_response_header("content-length");
        Action::Continue
    }

    fn on_http_response_body(&mut self, body_size: usize, end_of_stream: bool) -> Action {
        if !end_of_stream {
            self.response_held = Some(body_size);
            return Action::Pause;
        }
        self.response_held = None;
        self.rewrite_response(body_size);
        Action::Continue
    }

    fn on_http_response_trailers(&mut self, _num_trailers: usize) -> Action {
        if let Some(size) = self.response_held.take() {
            self.rewrite_response(size);
        }
        Action::Continue
    }
}
