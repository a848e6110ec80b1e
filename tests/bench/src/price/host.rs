//! The guest through enginebay.

use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use enginebay::abi::property::PropertyPath;
use enginebay::abi::{BufferType, LogLevel, MapType, Status, StreamType};
use enginebay::engine::Engine;
use enginebay::host::{Shared, SharedLimits};
use enginebay::{
    Body, ContextId, ForeignCall, ForeignFunctions, HeaderMap, LocalResponse, LogRecord, Platform, Plugin,
    PluginConfig, PropertyDeclaration, Running, StreamState, VmConfig,
};

use super::callbacks::Callback;
use super::rows::{KEY_BYTES, ROWS, Row};
use super::{functions::MOST, guest};
use crate::guests::REQUEST;
use crate::stream::engine;

/// A platform with everything that is priced.
struct Everything(Shared);

impl Everything {
    /// Each definition of a metric takes a number, and there are as many as are measured.
    fn new() -> Everything {
        let mut limits = SharedLimits::default();
        limits.metrics_per_vm = usize::MAX;
        Everything(Shared::new(limits))
    }
}

impl Platform for Everything {
    fn log_level(&self) -> LogLevel {
        LogLevel::Critical
    }
    fn log(&self, record: &LogRecord<'_>) {
        eprintln!("{record}");
    }
    fn realtime_ns(&self) -> u64 {
        1
    }
    fn monotonic_ns(&self) -> u64 {
        1
    }
    fn random(&self, buffer: &mut [u8]) -> bool {
        buffer.fill(7);
        true
    }
    fn shared(&self) -> &Shared {
        &self.0
    }
    fn foreign_functions(&self) -> ForeignFunctions {
        let echo = |call: &mut ForeignCall<'_>| {
            let arguments = call.arguments().to_vec();
            call.results().extend_from_slice(&arguments);
            Status::Ok
        };
        ForeignFunctions::default().with(String::from_utf8_lossy(KEY_BYTES), echo)
    }
}

/// A stream that has everything that is priced.
struct Stream {
    request: HeaderMap,
    body: Body,
    property: Vec<u8>,
}

impl StreamState for Stream {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        (map == MapType::HttpRequestHeaders).then_some(&mut self.request)
    }
    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        (buffer == BufferType::HttpRequestBody).then_some(&mut self.body)
    }
    fn send_local_response(&mut self, _: LocalResponse) -> Status {
        Status::Ok
    }
    fn continue_stream(&mut self, _: StreamType) -> Status {
        Status::Ok
    }
    fn property(&mut self, _: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(&self.property);
        true
    }
    fn set_property(&mut self, _: PropertyPath<'_>, value: &[u8], _: &PropertyDeclaration) -> Status {
        self.property.clear();
        self.property.extend_from_slice(value);
        Status::Ok
    }
}

fn stream() -> Stream {
    let mut stream = Stream {
        request: HeaderMap::default(),
        body: Body::default(),
        property: b"0123456789abcdef".to_vec(),
    };
    for (name, value) in REQUEST {
        stream.request.push_valid(name, value);
    }
    stream.body.push(Bytes::from_static(&[b'a'; MOST]));
    stream
}

fn start(engine: &Arc<dyn Engine>, row: &Row) -> Running<Stream> {
    let code = if engine.native() {
        native(row)
    } else {
        guest::module(row)
    };
    let plugin = Plugin::new(&**engine, &code, PluginConfig::default(), VmConfig::default());
    let plugin = plugin.unwrap_or_else(|error| panic!("{}: {error}", row.id()));
    plugin
        .start(Rc::new(Everything::new()))
        .unwrap_or_else(|error| panic!("{}: {error}", row.id()))
}

#[cfg(feature = "null")]
fn native(row: &Row) -> Vec<u8> {
    super::native::choose(row);
    super::native::NAME.as_bytes().to_vec()
}

#[cfg(not(feature = "null"))]
fn native(_: &Row) -> Vec<u8> {
    Vec::new()
}

/// A row's functions through enginebay.
pub struct Host {
    running: Running<Stream>,
    stream: ContextId,
}

impl Host {
    /// Loads the row's guest on the runtime with this short name.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn new(runtime: &str, row: &Row) -> Host {
        let running = start(&engine(runtime), row);
        let stream = running.vm.create_stream(running.root, stream()).expect("no trap");
        Host { running, stream }
    }

    /// Calls the functions `n` times.
    ///
    /// # Panics
    /// When a function returns another status than it should.
    pub fn run(&mut self, n: u32) {
        self.running
            .vm
            .on_request_trailers(self.stream, n as usize)
            .expect("every status is as it should be");
    }
}

/// Callbacks through enginebay.
pub struct CallbackHost {
    running: Running<Stream>,
    stream: ContextId,
}

impl CallbackHost {
    /// Loads a guest on the runtime with this short name.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn new(runtime: &str) -> CallbackHost {
        // Ticks are for plugins that asked for them.
        let ticks = |row: &&Row| row.id() == "proxy_set_tick_period_milliseconds";
        let row = ROWS.iter().find(ticks).expect("there is such a row");
        let mut host = Host::new(runtime, row);
        host.run(1);
        let Host { running, stream } = host;
        CallbackHost { running, stream }
    }

    /// Calls one.
    ///
    /// # Panics
    /// When the guest traps, or there is no such callback.
    pub fn call(&mut self, callback: &Callback) {
        use enginebay::abi::PeerType;
        let (vm, id) = (&self.running.vm, self.stream);
        let done = match callback.name {
            "proxy_on_request_headers" => vm.on_request_headers(id, 2, false).map(|_| ()),
            "proxy_on_request_body" => vm.on_request_body(id, 2, false).map(|_| ()),
            "proxy_on_request_metadata" => vm.on_request_metadata(id, 2).map(|_| ()),
            "proxy_on_response_headers" => vm.on_response_headers(id, 2, false).map(|_| ()),
            "proxy_on_response_body" => vm.on_response_body(id, 2, false).map(|_| ()),
            "proxy_on_response_trailers" => vm.on_response_trailers(id, 2).map(|_| ()),
            "proxy_on_response_metadata" => vm.on_response_metadata(id, 2).map(|_| ()),
            "proxy_on_log" => vm.on_log(id),
            "proxy_on_tick" => vm.on_tick(self.running.root),
            "proxy_on_foreign_function" => vm.on_foreign_function(id, 1, &[]).map(|_| ()),
            "proxy_on_new_connection" => vm.on_new_connection(id).map(|_| ()),
            "proxy_on_downstream_data" => vm.on_downstream_data(id, 2, false).map(|_| ()),
            "proxy_on_upstream_data" => vm.on_upstream_data(id, 2, false).map(|_| ()),
            "proxy_on_downstream_connection_close" => vm.on_downstream_connection_close(id, PeerType::Remote),
            "proxy_on_upstream_connection_close" => vm.on_upstream_connection_close(id, PeerType::Remote),
            name => panic!("there is no {name}"),
        };
        done.expect("no trap");
    }
}
