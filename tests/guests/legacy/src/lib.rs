//! A header filter as plugins of ABI 0.1.0 are: `_start` and no `_initialize`, header callbacks without an end of stream.
//! The request gets `x-legacy`, the plugin configuration (`old` without one), and the response `x-legacy` and
//! `x-missing`: what the host says of a header that is not there.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

// SAFETY: the host calls it by this name, and nothing else in the module has it.
#[unsafe(no_mangle)]
extern "C" fn _start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        Box::new(Root {
            word: Rc::from("old"),
        })
    });
}

struct Root {
    word: Rc<str>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_configuration().unwrap_or_default();
        match std::str::from_utf8(text.trim_ascii()) {
            Ok("") => {}
            Ok(word) => self.word = Rc::from(word),
            Err(_) => return false,
        }
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            word: Rc::clone(&self.word),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    word: Rc<str>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize) -> Action {
        self.add_http_request_header("x-legacy", &self.word);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize) -> Action {
        self.add_http_response_header("x-legacy", &self.word);
        let missing = match self.get_http_response_header("x-not-there") {
            None => "none",
            Some(value) if value.is_empty() => "empty",
            Some(_) => "there",
        };
        self.add_http_response_header("x-missing", missing);
        Action::Continue
    }
}
