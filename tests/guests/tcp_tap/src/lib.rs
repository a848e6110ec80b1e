//! Watches a TCP connection: logs each piece of data, and counts bytes in the counters `tcp_tap_downstream_bytes` and
//! `tcp_tap_upstream_bytes`.
//!
//! The plugin configuration is JSON such as `{"upper": true, "close_on": "quit"}`: whether what the client sends reaches
//! the upstream in upper case, and the word of the client that closes the connection. Neither is the default.
#![forbid(unsafe_code)]

use std::rc::Rc;

use miniserde::Deserialize;
use proxy_wasm::hostcalls;
use proxy_wasm::traits::{Context, RootContext, StreamContext};
use proxy_wasm::types::{Action, ContextType, LogLevel, MetricType, PeerType};

// A native program that links several plugins calls `start`: there can be one `_initialize` in a program.
#[cfg(not(feature = "linked"))]
proxy_wasm::main! {{ start() }}

/// Says what makes the plugin's contexts.
pub fn start() {
    proxy_wasm::set_log_level(LogLevel::Info);
    proxy_wasm::set_root_context(|_| Box::new(Root::default()));
}

#[derive(Deserialize)]
struct Config {
    upper: Option<bool>,
    close_on: Option<String>,
}

#[derive(Default)]
struct Root {
    config: Option<Rc<Config>>,
    downstream: u32,
    upstream: u32,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_configure(&mut self, _plugin_configuration_size: usize) -> bool {
        let text = self.get_plugin_configuration().unwrap_or_default();
        let text = match text.trim_ascii() {
            [] => b"{}",
            text => text,
        };
        let config = std::str::from_utf8(text)
            .ok()
            .and_then(|text| miniserde::json::from_str(text).ok());
        let Some(config) = config else {
            log::error!(r#"tcp_tap: bad configuration: not JSON like {{"upper": true, "close_on": WORD}}"#);
            return false;
        };
        self.config = Some(Rc::new(config));
        let define = |name| hostcalls::define_metric(MetricType::Counter, name);
        let (Ok(downstream), Ok(upstream)) = (
            define("tcp_tap_downstream_bytes"),
            define("tcp_tap_upstream_bytes"),
        ) else {
            return false;
        };
        (self.downstream, self.upstream) = (downstream, upstream);
        true
    }

    fn create_stream_context(&self, _context_id: u32) -> Option<Box<dyn StreamContext>> {
        Some(Box::new(Stream {
            config: Rc::clone(self.config.as_ref()?),
            downstream: Count::new(self.downstream),
            upstream: Count::new(self.upstream),
        }))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::StreamContext)
    }
}

struct Count {
    metric: u32,
    bytes: usize,
}

impl Count {
    fn new(metric: u32) -> Self {
        Self { metric, bytes: 0 }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes += bytes;
        let _ = hostcalls::increment_metric(self.metric, bytes as i64);
    }
}

struct Stream {
    config: Rc<Config>,
    downstream: Count,
    upstream: Count,
}

fn peer(peer: PeerType) -> &'static str {
    match peer {
        PeerType::Local => "local",
        PeerType::Remote => "remote",
        _ => "unknown",
    }
}

impl Context for Stream {}

impl StreamContext for Stream {
    fn on_new_connection(&mut self) -> Action {
        log::info!("tcp_tap: new connection");
        Action::Continue
    }

    fn on_downstream_data(&mut self, data_size: usize, end_of_stream: bool) -> Action {
        log::info!("tcp_tap: downstream: {data_size} bytes, end of stream: {end_of_stream}");
        self.downstream.add(data_size);
        let data = self.get_downstream_data(0, data_size).unwrap_or_default();
        if let Some(word) = self.config.close_on.as_deref().filter(|word| !word.is_empty())
            && data.windows(word.len()).any(|part| part == word.as_bytes())
        {
            log::info!("tcp_tap: closing");
            self.close_downstream();
            return Action::Pause;
        }
        if self.config.upper == Some(true) {
            self.set_downstream_data(0, data_size, &data.to_ascii_uppercase());
        }
        Action::Continue
    }

    fn on_downstream_close(&mut self, peer_type: PeerType) {
        log::info!("tcp_tap: downstream closed: {}", peer(peer_type));
    }

    fn on_upstream_data(&mut self, data_size: usize, end_of_stream: bool) -> Action {
        log::info!("tcp_tap: upstream: {data_size} bytes, end of stream: {end_of_stream}");
        self.upstream.add(data_size);
        Action::Continue
    }

    fn on_upstream_close(&mut self, peer_type: PeerType) {
        log::info!("tcp_tap: upstream closed: {}", peer(peer_type));
    }

    fn on_log(&mut self) {
        let (down, up) = (self.downstream.bytes, self.upstream.bytes);
        log::info!("tcp_tap: log: {down} bytes from downstream, {up} bytes from upstream");
    }
}
