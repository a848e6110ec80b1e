//! Answers 403 itself unless the request header `x-token` is the token of the plugin configuration (plain text; `secret`
//! when there is none).
#![forbid(unsafe_code)]

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

const DEFAULT_TOKEN: &[u8] = b"secret";

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        Box::new(Root {
            token: Rc::from(DEFAULT_TOKEN),
        })
    });
}

struct Root {
    token: Rc<[u8]>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        // A configuration read from a file ends with a newline that no header value can have.
        self.token = match text.trim_ascii() {
            [] => Rc::from(DEFAULT_TOKEN),
            token => Rc::from(token),
        };
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            token: Rc::clone(&self.token),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    token: Rc<[u8]>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        if self.get_http_request_header_bytes("x-token").as_deref() == Some(&*self.token) {
            return Action::Continue;
        }
        self.send_http_response(403, vec![("x-auth", "denied")], Some(b"forbidden\n"));
        Action::Pause
    }
}
