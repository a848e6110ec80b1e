//! Shows properties in the response, and sets some. The plugin configuration has a line for each:
//!
//! - `request.path` is shown in a response header: `x-property: request.path=/a`. What is not text is shown as
//!   hexadecimal digits behind `0x`, what is not there as `request.path none`.
//! - `/metadata/a.b/c` is a path whose parts have dots in them.
//! - `name=value` is set when the request's headers come.
//!
//! Without a configuration: `word=set`, `word`, `request.path`, `plugin_name`.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| {
        Box::new(Root {
            lines: Rc::from("word=set\nword\nrequest.path\nplugin_name"),
        })
    });
}

struct Root {
    lines: Rc<str>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        match std::str::from_utf8(text.trim_ascii()) {
            Ok("") => {}
            Ok(lines) => self.lines = Rc::from(lines),
            Err(_) => return false,
        }
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            lines: Rc::clone(&self.lines),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    lines: Rc<str>,
}

/// The parts of a path as it is written in the configuration.
fn parts(path: &str) -> Vec<&str> {
    match path.strip_prefix('/') {
        Some(path) => path.split('/').collect(),
        None => path.split('.').collect(),
    }
}

/// A value as it is shown.
fn shown(value: Vec<u8>) -> String {
    let text = String::from_utf8(value);
    let bytes = match text {
        Ok(text) if !text.contains(|c: char| c.is_control()) => return text,
        Ok(text) => text.into_bytes(),
        Err(error) => error.into_bytes(),
    };
    bytes.iter().fold("0x".to_owned(), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

impl Context for Stream {}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        for (path, value) in self.lines.lines().filter_map(|line| line.split_once('=')) {
            self.set_property(parts(path), Some(value.as_bytes()));
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        for path in self.lines.lines().filter(|line| !line.contains('=')) {
            let line = match hostcalls::get_property(parts(path)) {
                Ok(Some(value)) => format!("{path}={}", shown(value)),
                Ok(None) => format!("{path} none"),
                Err(status) => format!("{path} {status:?}"),
            };
            self.add_http_response_header("x-property", &line);
        }
        Action::Continue
    }
}
