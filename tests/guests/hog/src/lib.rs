//! Takes all the memory it can get when the request header `x-hog` is present, and goes on working when it is refused
//! more. It says how many MiB it got in its log and in the header `x-hog-mib` of request and response.
//!
//! The value `alloc` goes through the allocator and frees again; any other value grows the linear memory directly.

mod grow;

use std::hint::black_box;

use log::info;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

/// Kept back while the memory is taken: afterwards the allocator must still have room for what the host writes into
/// the guest, because a failed allocation would be a trap instead of a refusal.
const RESERVE_BYTES: usize = 256 * 1024;

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

#[derive(Default)]
struct Stream {
    mib: Option<String>,
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        if let Some(how) = self.get_http_request_header_bytes("x-hog") {
            let mut reserve: Vec<u8> = Vec::new();
            // Refused when an earlier request has taken it all; then what that one gave back is still there.
            let _ = reserve.try_reserve_exact(RESERVE_BYTES);
            let reserve = black_box(reserve);
            let mib = match how.as_slice() {
                b"alloc" => grow::by_allocator(),
                _ => grow::by_memory_grow(),
            };
            drop(reserve);

            info!("hog: got {mib} MiB");
            let mib = mib.to_string();
            self.add_http_request_header("x-hog-mib", &mib);
            self.mib = Some(mib);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        if let Some(mib) = &self.mib {
            self.add_http_response_header("x-hog-mib", mib);
        }
        Action::Continue
    }
}
