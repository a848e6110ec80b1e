//! Holds the request for a gRPC call or stream. At its end the request goes on with `x-grpc-status`,
//! `x-grpc-status-message` (if there is one), `x-grpc-messages` and `x-grpc-message-bytes`, or is answered with the
//! messages that came.
//!
//! What is made is said by the request header `x-grpc`: `unary` (or no header), `stream`, `cancel` (a call and a stream,
//! both cancelled at once) or `close` (a stream that is half closed by `proxy_grpc_close` and not by its last message).
#![forbid(unsafe_code)]

use std::rc::Rc;

use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, Status};

mod config;

use config::Config;

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root { config: None }));
}

struct Root {
    config: Option<Rc<Config>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        match Config::parse(&self.get_plugin_configuration().unwrap_or_default()) {
            Ok(config) => self.config = Some(Rc::new(config)),
            Err(error) => {
                log::error!("grpc_callout: bad configuration: {error}");
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            config: Rc::clone(self.config.as_ref()?),
            messages: 0,
            received: Vec::new(),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

struct Stream {
    config: Rc<Config>,
    messages: u32,
    received: Vec<u8>,
}

impl Stream {
    fn call(&self) -> Result<u32, Status> {
        self.dispatch_grpc_call(
            &self.config.cluster,
            &self.config.service,
            &self.config.unary,
            vec![("x-from", b"grpc_callout")],
            Some(&self.config.message),
            self.config.timeout,
        )
    }

    fn open(&self) -> Result<u32, Status> {
        self.open_grpc_stream(
            &self.config.cluster,
            &self.config.service,
            &self.config.stream,
            vec![("x-from", b"grpc_callout")],
        )
    }

    /// Opens a stream and sends it all, with an end of stream or without one.
    fn send(&self, end_of_stream: bool) -> Result<u32, Status> {
        let token = self.open()?;
        for number in 1..=self.config.count {
            let last = end_of_stream && number == self.config.count;
            hostcalls::send_grpc_stream_message(token, Some(&self.config.message), last)?;
        }
        Ok(token)
    }

    fn receive(&mut self, message: Option<Vec<u8>>) {
        self.messages += 1;
        self.received.extend(message.unwrap_or_default());
    }

    /// Lets the request go on, or answers it.
    fn finish(&self, status: u32) {
        let message = match self.get_grpc_status() {
            (_, Some(message)) if !message.is_empty() => Some(message),
            _ => None,
        };
        let counts = [
            ("x-grpc-status", status.to_string()),
            ("x-grpc-messages", self.messages.to_string()),
            ("x-grpc-message-bytes", self.received.len().to_string()),
        ];
        let mut headers: Vec<_> = counts
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        headers.extend(message.as_deref().map(|text| ("x-grpc-status-message", text)));
        if self.config.reply {
            self.send_http_response(200, headers, Some(&self.received));
            return;
        }
        for (name, value) in headers {
            self.add_http_request_header(name, value);
        }
        self.resume_http_request();
    }
}

impl Context for Stream {
    fn on_grpc_call_response(&mut self, _token: u32, status: u32, response_size: usize) {
        log::info!("grpc_callout: call: status {status}, {response_size} bytes");
        if status == 0 {
            let message = self.get_grpc_call_response_body(0, response_size);
            self.receive(message);
        }
        self.finish(status);
    }

    fn on_grpc_stream_initial_metadata(&mut self, _token: u32, num_elements: u32) {
        let metadata = self.get_grpc_stream_initial_metadata();
        log::info!("grpc_callout: initial metadata: {num_elements}");
        if let Some((_, value)) = metadata.iter().find(|(name, _)| name == "x-to") {
            log::info!("grpc_callout: x-to: {}", String::from_utf8_lossy(value));
        }
    }

    fn on_grpc_stream_message(&mut self, _token: u32, message_size: usize) {
        log::info!("grpc_callout: message: {message_size} bytes");
        let message = self.get_grpc_stream_message(0, message_size);
        self.receive(message);
    }

    fn on_grpc_stream_trailing_metadata(&mut self, _token: u32, num_elements: u32) {
        log::info!("grpc_callout: trailing metadata: {num_elements}");
    }

    fn on_grpc_stream_close(&mut self, _token: u32, status: u32) {
        log::info!("grpc_callout: stream closed: status {status}");
        self.finish(status);
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let made = match self.get_http_request_header("x-grpc").as_deref() {
            None | Some("unary") => self.call(),
            Some("stream") => self.send(true),
            Some("close") => self.send(false).and_then(|token| {
                hostcalls::close_grpc_stream(token)?;
                Ok(token)
            }),
            Some("cancel") => {
                let cancelled = self.call().and_then(|token| {
                    hostcalls::cancel_grpc_call(token)?;
                    hostcalls::cancel_grpc_stream(self.send(false)?)
                });
                self.add_http_request_header("x-grpc-cancel", &format!("{cancelled:?}"));
                return Action::Continue;
            }
            Some(_) => return Action::Continue,
        };
        match made {
            Ok(_) => Action::Pause,
            Err(status) => {
                self.add_http_request_header("x-grpc-error", &format!("{status:?}"));
                Action::Continue
            }
        }
    }
}
