//! The embedder's side of a script: streams with everything in them, and a platform on which nothing depends on the clock.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::DerefMut;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use enginebay::abi::{BufferType, LogLevel, MapType, PropertyPath, Status, StreamType};
use enginebay::host::{Callouts, ForeignCall, ForeignFunctions, Shared, VmLimits};
use enginebay::{
    Body, ContextId, HeaderMap, LifeSpan, LocalResponse, LogRecord, Platform, PropertyDeclaration,
    StreamState,
};

use crate::upstreams::Upstreams;

/// What plugins asked of the embedder since somebody looked, as text.
pub(crate) type Asked = Rc<RefCell<Vec<String>>>;

/// A stream.
pub(crate) struct Stream {
    maps: BTreeMap<u32, HeaderMap>,
    buffers: BTreeMap<u32, Body>,
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
    asked: Asked,
}

/// A header map of two pairs.
pub(crate) fn pairs(name: &str, value: &str) -> HeaderMap {
    let mut map = HeaderMap::new();
    map.push_valid(name, value);
    map.push_valid("k", "v");
    map
}

pub(crate) fn text(map: &HeaderMap) -> String {
    let mut text = String::new();
    for (name, value) in map.iter() {
        write!(text, "{}={},", name.escape_ascii(), value.escape_ascii()).ok();
    }
    text
}

impl Stream {
    /// A stream of which everything but the trailers of the response is there.
    pub(crate) fn new(asked: Asked) -> Self {
        let maps = [
            (MapType::HttpRequestHeaders, pairs(":path", "/x")),
            (MapType::HttpRequestTrailers, pairs("t", "1")),
            (MapType::HttpResponseHeaders, pairs(":status", "200")),
        ];
        let buffers = [
            (BufferType::HttpRequestBody, &b"the request's body"[..]),
            (BufferType::HttpResponseBody, b""),
            (BufferType::DownstreamData, b"from the client"),
            (BufferType::UpstreamData, b"from the server"),
        ];
        let maps = maps.into_iter().map(|(map, pairs)| (map.as_u32(), pairs));
        let buffers = buffers
            .into_iter()
            .map(|(buffer, bytes)| (buffer.as_u32(), Body::from(Bytes::from_static(bytes))));
        Stream {
            maps: maps.collect(),
            buffers: buffers.collect(),
            properties: [(b"request\0path".to_vec(), b"/x".to_vec())].into(),
            asked,
        }
    }

    fn ask(&self, what: String) -> Status {
        self.asked.borrow_mut().push(what);
        Status::Ok
    }

    /// Everything in it, in one line.
    pub(crate) fn describe(&self) -> String {
        let mut all = String::new();
        for (map, headers) in &self.maps {
            write!(all, "map {map} [{}] ", text(headers)).ok();
        }
        for (buffer, body) in &self.buffers {
            let bytes = body.to_bytes();
            let (len, hash) = (bytes.len(), crc32fast::hash(&bytes));
            match bytes.get(..64).is_none() {
                true => write!(all, "buffer {buffer} \"{}\" ", bytes.escape_ascii()),
                false => write!(all, "buffer {buffer} {len} bytes {hash:08x} "),
            }
            .ok();
        }
        for (path, value) in &self.properties {
            write!(
                all,
                "property {} \"{}\" ",
                path.escape_ascii(),
                value.escape_ascii()
            )
            .ok();
        }
        all
    }
}

impl StreamState for Stream {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        self.maps.get_mut(&map.as_u32())
    }

    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        self.buffers.get_mut(&buffer.as_u32())
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        self.ask(format!("local response {response:?}"))
    }

    fn continue_stream(&mut self, stream: StreamType) -> Status {
        self.ask(format!("continue {stream:?}"))
    }

    fn close_stream(&mut self, stream: StreamType) -> Status {
        self.ask(format!("close {stream:?}"))
    }

    fn clear_route_cache(&mut self) -> Status {
        self.ask("clear the route".to_owned())
    }

    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let found = self.properties.get(path.as_bytes());
        found.map(|value| out.extend_from_slice(value)).is_some()
    }

    fn set_property(&mut self, path: PropertyPath<'_>, value: &[u8], _: &PropertyDeclaration) -> Status {
        self.properties.insert(path.as_bytes().to_vec(), value.to_vec());
        Status::Ok
    }

    fn set_filter_state(&mut self, key: &[u8], value: &[u8], span: LifeSpan) -> Status {
        self.ask(format!(
            "state {} {} {span:?}",
            key.escape_ascii(),
            value.escape_ascii()
        ))
    }
}

/// The platform of a VM: a clock that stands still, and the "random" bytes 1, 2, 3….
pub(crate) struct World {
    asked: Asked,
    shared: Shared,
    pub(crate) upstreams: Rc<Upstreams>,
}

impl World {
    pub(crate) fn new(asked: Asked, shared: Shared) -> Self {
        World {
            upstreams: Rc::new(Upstreams::new(asked.clone())),
            asked,
            shared,
        }
    }
}

impl Platform for World {
    fn log_level(&self) -> LogLevel {
        LogLevel::Debug
    }

    fn log(&self, record: &LogRecord<'_>) {
        // The guest's frames follow in the log of a trap, and not every engine knows their names.
        let message = record.message.split_once("\nProxy-Wasm plugin in-VM backtrace:");
        let message = message.map_or(record.message, |(message, _)| message);
        let record = (record.level, record.plugin, record.root_id, record.vm_id, message);
        self.asked.borrow_mut().push(format!("log {record:?}"));
    }

    fn realtime_ns(&self) -> u64 {
        0x1234_5678_9abc_def0
    }

    fn monotonic_ns(&self) -> u64 {
        77
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        for (n, byte) in buffer.iter_mut().enumerate() {
            *byte = (n as u8).wrapping_add(1);
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
        let mut limits = VmLimits::default();
        // Within reach of what a script of a few steps can do.
        limits.callouts = 3;
        limits.finishing = 2;
        limits.buffer = 1 << 16;
        limits.log_message = 256;
        limits
    }

    fn tick_period_changed(&self, root: ContextId, period: Option<Duration>) {
        self.asked
            .borrow_mut()
            .push(format!("tick {} {period:?}", root.get()));
    }

    fn foreign_functions(&self) -> ForeignFunctions {
        ForeignFunctions::default()
            .with("reverse", |call: &mut ForeignCall<'_>| {
                let reversed: Vec<u8> = call.arguments().iter().rev().copied().collect();
                call.results().extend(reversed);
                Status::Ok
            })
            .with("refuse", |_: &mut ForeignCall<'_>| Status::BadArgument)
    }

    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let known = path.is(&["node", "id"]);
        if known {
            out.extend_from_slice(b"my_node");
        }
        known
    }
}
