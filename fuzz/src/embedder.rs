//! The embedder's side: a stream with something in all of its maps and buffers, and surroundings that write down what is
//! asked of them and answer the same every time.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::ops::DerefMut;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use enginebay::abi::values::Value;
use enginebay::abi::{BufferType, MapType, PropertyPath, Status, StreamType, pairs};
use enginebay::foreign::{Limits, envoy_with};
use enginebay::host::{
    CalloutError, CalloutId, Callouts, GrpcTarget, HeaderLimits, HttpCall, LogRecord, Shared, SharedLimits,
    VmLimits,
};
use enginebay::{
    Body, ContextId, ForeignFunctions, HeaderMap, LifeSpan, LocalResponse, Platform, PropertyDeclaration,
    StreamState,
};

/// The value of a property that every stream has.
pub(crate) fn property(path: PropertyPath<'_>) -> Option<Vec<u8>> {
    let parts: Vec<&[u8]> = path.parts().collect();
    let value = match parts.as_slice() {
        [b"request", b"path"] => Value::from("/a?b=c"),
        [b"request", b"method"] => Value::from("GET"),
        [b"request", b"headers", b"accept"] => Value::from("text/html"),
        [b"request", b"headers"] => {
            return pairs::encode([(":path", "/a?b=c"), ("accept", "text/html")]).ok();
        }
        [b"request", b"size"] => Value::Int(7),
        [b"request", b"time"] => Value::Int(1_500_000_000_000_000_000),
        [b"request", b"duration"] => Value::Int(1_500_000_000),
        [b"connection", b"mtls"] => Value::Bool(true),
        [b"connection", b"id"] => Value::Uint(5),
        [b"node", b"id"] => Value::from("node"),
        [b"empty"] => Value::from(""),
        _ => return None,
    };
    Some(value.encode().to_vec())
}

/// What happened, in lines.
pub(crate) type Trace = Rc<RefCell<Vec<String>>>;

pub(crate) fn note(trace: &Trace, line: String) {
    trace.borrow_mut().push(line);
}

/// A stream.
pub(crate) struct Stream {
    maps: BTreeMap<u32, HeaderMap>,
    buffers: BTreeMap<u32, Body>,
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
    trace: Trace,
}

const HEADERS: [(&str, &str); 4] = [(":path", "/"), ("accept", "a"), ("empty", ""), ("accept", "b")];

/// Properties that a plugin may set on one stream.
const MAX_PROPERTIES: usize = 16;

fn limits() -> VmLimits {
    let mut limits = VmLimits::default();
    limits.headers = HeaderLimits::DEFAULT;
    limits.buffer = 1 << 20;
    limits.local_response_body = 1 << 20;
    limits.property = 1 << 16;
    limits.declared_properties = 4;
    limits.declared_path = 256;
    limits.callouts = 4;
    limits.callout_bytes = 1 << 16;
    limits.finishing = 2;
    limits.log_message = 1 << 12;
    limits
}

impl Stream {
    pub(crate) fn new(trace: &Trace) -> Self {
        let map = |map: &MapType| {
            let mut headers = HeaderMap::new();
            for (name, value) in HEADERS {
                headers.push_valid(name, value);
            }
            headers.set_limits(limits().headers);
            headers.set_unmodified();
            (map.as_u32(), headers)
        };
        let buffer = |buffer: &BufferType| {
            let mut body = Body::from(Bytes::from_static(b"hello "));
            body.push(Bytes::from_static(b"world"));
            (buffer.as_u32(), body)
        };
        Stream {
            maps: MapType::ALL.iter().map(map).collect(),
            buffers: BufferType::ALL.iter().map(buffer).collect(),
            properties: BTreeMap::new(),
            trace: trace.clone(),
        }
    }

    /// Everything in it, to compare.
    pub(crate) fn describe(&self) -> String {
        let maps: Vec<(u32, Vec<_>)> = self
            .maps
            .iter()
            .map(|(map, headers)| (*map, headers.iter().map(|(k, v)| (text(k), text(v))).collect()))
            .collect();
        let buffers: Vec<_> = self
            .buffers
            .iter()
            .map(|(buffer, body)| (*buffer, text(&body.to_bytes())))
            .collect();
        format!("{maps:?} {buffers:?} {:?}", self.properties)
    }
}

fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

impl StreamState for Stream {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        self.maps.get_mut(&map.as_u32())
    }

    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        self.buffers.get_mut(&buffer.as_u32())
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        note(&self.trace, format!("local response {response:?}"));
        Status::Ok
    }

    fn continue_stream(&mut self, stream: StreamType) -> Status {
        note(&self.trace, format!("continue {stream:?}"));
        Status::Ok
    }

    fn close_stream(&mut self, stream: StreamType) -> Status {
        note(&self.trace, format!("close {stream:?}"));
        Status::Ok
    }

    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let set = self.properties.get(path.as_bytes()).cloned();
        let value = set.or_else(|| property(path));
        value.map(|value| out.extend_from_slice(&value)).is_some()
    }

    fn set_property(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declared: &PropertyDeclaration,
    ) -> Status {
        if self.properties.len() >= MAX_PROPERTIES {
            return Status::BadArgument;
        }
        note(&self.trace, format!("set {path} {declared:?}"));
        self.properties.insert(path.as_bytes().to_vec(), value.to_vec());
        Status::Ok
    }

    fn set_filter_state(&mut self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        note(
            &self.trace,
            format!("filter state {} {} {span:?}", text(key), text(value)),
        );
        Status::Ok
    }
}

/// The surroundings of one VM.
pub(crate) struct World {
    pub(crate) trace: Trace,
    shared: Shared,
    upstreams: Rc<Upstreams>,
}

/// Callouts under way.
pub(crate) struct Upstreams {
    trace: Trace,
    pub(crate) started: RefCell<Vec<CalloutId>>,
    /// The time, which goes on with every question: the VM bounds what is logged in one second.
    now: Cell<u64>,
}

impl World {
    pub(crate) fn new() -> Self {
        let trace = Trace::default();
        let mut limits = SharedLimits::default();
        limits.data_entries = 4;
        limits.queues = 2;
        limits.queue_items = 4;
        limits.metrics = 4;
        limits.name_bytes = 256;
        World {
            shared: Shared::new(limits),
            upstreams: Rc::new(Upstreams {
                trace: trace.clone(),
                started: RefCell::default(),
                now: Cell::new(1_000_000_000_000),
            }),
            trace,
        }
    }

    /// The callouts that were started since the last time.
    pub(crate) fn started(&self) -> Vec<CalloutId> {
        self.upstreams.started.take()
    }
}

impl Platform for World {
    fn log_level(&self) -> enginebay::abi::LogLevel {
        enginebay::abi::LogLevel::Trace
    }

    fn log(&self, record: &LogRecord<'_>) {
        // The frames of a trap, which follow its message, are the engine's own.
        let message = match record.message.split_once("\nProxy-Wasm plugin in-VM backtrace:") {
            Some((message, _)) if record.message.starts_with("Function: ") => message,
            _ => record.message,
        };
        note(&self.trace, format!("{:?} {message}", record.level));
    }

    fn realtime_ns(&self) -> u64 {
        self.monotonic_ns() + 1_500_000_000_000_000_000
    }

    fn monotonic_ns(&self) -> u64 {
        let now = self.upstreams.now.get() + 1;
        self.upstreams.now.set(now);
        now
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        for (at, byte) in buffer.iter_mut().enumerate() {
            *byte = at as u8;
        }
        true
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn callouts(&self) -> Option<Rc<dyn Callouts>> {
        Some(self.upstreams.clone())
    }

    fn limits(&self) -> VmLimits {
        limits()
    }

    fn tick_period_changed(&self, root: ContextId, period: Option<Duration>) {
        note(&self.trace, format!("ticks of {root:?} every {period:?}"));
    }

    fn foreign_functions(&self) -> ForeignFunctions {
        let mut limits = Limits::default();
        limits.uncompressed_bytes = 1 << 16;
        limits.expressions = 2;
        limits.expression_steps = 10_000;
        limits.expression_memory = 1 << 16;
        envoy_with(limits)
    }

    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        property(path)
            .map(|value| out.extend_from_slice(&value))
            .is_some()
    }
}

impl Upstreams {
    fn start(&self, id: CalloutId, upstream: &str, line: String) -> Result<(), CalloutError> {
        match upstream {
            "cluster" => {}
            "down" => return Err(CalloutError::Failed),
            _ => return Err(CalloutError::UnknownUpstream),
        }
        note(&self.trace, line);
        self.started.borrow_mut().push(id);
        Ok(())
    }
}

impl Callouts for Upstreams {
    fn http_call(&self, id: CalloutId, call: HttpCall) -> Result<(), CalloutError> {
        self.start(id, &call.upstream, format!("{} {call:?}", id.get()))
    }

    fn grpc_call(&self, id: CalloutId, target: GrpcTarget, message: Bytes) -> Result<(), CalloutError> {
        self.start(
            id,
            &target.upstream,
            format!("{} {target:?} {message:?}", id.get()),
        )
    }

    fn grpc_stream(&self, id: CalloutId, target: GrpcTarget) -> Result<(), CalloutError> {
        self.start(id, &target.upstream, format!("{} {target:?}", id.get()))
    }

    fn grpc_send(&self, id: CalloutId, message: Bytes, end_of_stream: bool) -> Result<(), CalloutError> {
        note(
            &self.trace,
            format!("send {} {message:?} {end_of_stream}", id.get()),
        );
        Ok(())
    }

    fn grpc_close(&self, id: CalloutId) {
        note(&self.trace, format!("close {}", id.get()));
    }

    fn cancel(&self, id: CalloutId) {
        note(&self.trace, format!("cancel {}", id.get()));
    }
}
