//! Writes a line for each request at its end: method, path, status, and the whole milliseconds that the property
//! `request.duration` says. Works as an HTTP filter and as an access logger, which has no stream of its own.
#![forbid(unsafe_code)]

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{ContextType, LogLevel, MapType};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root));
}

fn header(map: MapType, name: &str) -> String {
    match hostcalls::get_map_value_bytes(map, name) {
        Ok(Some(value)) => String::from_utf8_lossy(&value).into_owned(),
        _ => "-".to_owned(),
    }
}

/// The value of a property that is a number.
fn number(path: &[&str]) -> Option<i64> {
    let value = hostcalls::get_property(path.to_vec()).ok().flatten()?;
    Some(i64::from_le_bytes(value.try_into().ok()?))
}

fn write_line() {
    let method = header(MapType::HttpRequestHeaders, ":method");
    let path = header(MapType::HttpRequestHeaders, ":path");
    let status = header(MapType::HttpResponseHeaders, ":status");
    // A duration is nanoseconds.
    let duration = match number(&["request", "duration"]) {
        Some(duration) => format!("{} ms", duration / 1_000_000),
        None => "-".to_owned(),
    };
    log::info!("access_log: {method} {path} {status} {duration}");
}

struct Root;

impl Context for Root {}

impl RootContext for Root {
    fn on_log(&mut self) {
        write_line();
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

impl HttpContext for Stream {
    fn on_log(&mut self) {
        write_line();
    }
}
