//! Loops for ever in the callback that the request header `x-spin` names: `response_headers`, or `request_headers` for
//! any other value.
#![forbid(unsafe_code)]

use std::hint::black_box;

use log::info;
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
        Some(Box::new(Stream::default()))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

/// Never returns and calls nothing of the host, so that only the engine's own limit can end it.
#[inline(never)]
fn spin() -> ! {
    let mut turns: u64 = 0;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

#[derive(Default)]
struct Stream {
    at_response: bool,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        match self.get_http_request_header_bytes("x-spin").as_deref() {
            None => {}
            Some(b"response_headers") => self.at_response = true,
            Some(_) => {
                info!("spin: looping in request_headers");
                spin();
            }
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        if self.at_response {
            info!("spin: looping in response_headers");
            spin();
        }
        Action::Continue
    }
}
