//! Makes two HTTP calls at once and holds the request until both are answered. It then goes on with the headers
//! `x-callout-1` and `x-callout-2`, the statuses. The first call that fails or is answered with 400 or more makes it 403.
#![forbid(unsafe_code)]

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::{Action, ContextType, LogLevel};

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
                log::error!("callout: bad configuration: {error}");
                return false;
            }
        }
        true
    }

    fn create_http_context(&self, _context_id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Stream {
            config: Rc::clone(self.config.as_ref()?),
            calls: [Call::default(); 2],
            replied: false,
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

#[derive(Clone, Copy, Default)]
struct Call {
    token: Option<u32>,
    /// There once it is answered.
    status: Option<u16>,
}

struct Stream {
    config: Rc<Config>,
    calls: [Call; 2],
    replied: bool,
}

impl Stream {
    /// Answers the request for good.
    fn refuse(&mut self, number: usize, why: &str) {
        self.replied = true;
        let body = format!("callout {number}: {why}\n");
        self.send_http_response(403, vec![("x-callout", "refused")], Some(body.as_bytes()));
    }
}

impl Context for Stream {
    fn on_http_call_response(
        &mut self,
        token: u32,
        num_headers: usize,
        body_size: usize,
        num_trailers: usize,
    ) {
        assert!(!self.config.trap, "told to panic");
        let Some(index) = self.calls.iter().position(|call| call.token == Some(token)) else {
            log::error!("callout: nobody asked for token {token}");
            return;
        };
        let number = index + 1;
        let status = self.get_http_call_response_header(":status");
        let shown = status.as_deref().unwrap_or("no status");
        log::info!("callout {number}: {shown}, {body_size} bytes, {num_trailers} trailers");
        if self.replied {
            return;
        }
        // A call that failed has an answer without headers.
        let status = status.and_then(|status| status.parse::<u16>().ok());
        match status {
            Some(status) if status < 400 => self.calls[index].status = Some(status),
            Some(status) => return self.refuse(number, &format!("status {status}")),
            None => return self.refuse(number, &format!("failed with {num_headers} headers")),
        }
        if let [Some(one), Some(two)] = self.calls.map(|call| call.status) {
            self.add_http_request_header("x-callout-1", &one.to_string());
            self.add_http_request_header("x-callout-2", &two.to_string());
            self.resume_http_request();
        }
    }
}

impl HttpContext for Stream {
    fn on_http_request_headers(&mut self, _num_headers: usize, _end_of_stream: bool) -> Action {
        let config = Rc::clone(&self.config);
        for (index, path) in config.paths.iter().enumerate() {
            let headers = vec![
                (":method", "GET"),
                (":path", path.as_str()),
                (":authority", config.authority.as_str()),
            ];
            match self.dispatch_http_call(&config.cluster, headers, None, vec![], config.timeout) {
                Ok(token) => self.calls[index].token = Some(token),
                Err(status) => {
                    self.refuse(index + 1, &format!("not made: {status:?}"));
                    break;
                }
            }
        }
        Action::Pause
    }
}
