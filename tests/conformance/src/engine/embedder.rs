//! The embedder's side of a case: a stream with everything in it, and a platform that remembers.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::DerefMut;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use enginebay::abi::{BufferType, LogLevel, MapType, PropertyPath, Status, StreamType};
use enginebay::host::{Callouts, ForeignCall, ForeignFunctions, Shared, SharedLimits, VmLimits};
use enginebay::{
    Body, ContextId, Failure, HeaderMap, LocalResponse, LogRecord, Platform, PropertyDeclaration,
    StreamState, Vm,
};

use super::upstreams::Upstreams;
use crate::case::Given;
use crate::host::{Local, MONOTONIC, Outcome, Pairs, REALTIME, StreamOutcome};

/// What plugins asked of the embedder.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) log: Vec<(LogLevel, String)>,
    pub(crate) local: Vec<Local>,
    pub(crate) continued: Vec<StreamType>,
    pub(crate) closed: Vec<StreamType>,
    pub(crate) routes_cleared: usize,
    pub(crate) ticks: Vec<u64>,
    pub(crate) called: Vec<String>,
}

/// The stream of a case.
pub(crate) struct Stream {
    maps: BTreeMap<MapType, HeaderMap>,
    buffers: BTreeMap<BufferType, Body>,
    properties: BTreeMap<Vec<u8>, Vec<u8>>,
    seen: Rc<RefCell<Seen>>,
    bare: bool,
}

impl Stream {
    pub(crate) fn new(given: &Given, seen: Rc<RefCell<Seen>>) -> Self {
        let map = |(map, headers): &(MapType, Vec<(&str, &str)>)| {
            let mut new = HeaderMap::new();
            for (name, value) in headers {
                new.push_valid(name, value);
            }
            new.set_unmodified();
            (*map, new)
        };
        let buffer = |(buffer, text): &(BufferType, &'static str)| {
            (*buffer, Body::from(Bytes::from_static(text.as_bytes())))
        };
        let bytes = |text: &str| text.as_bytes().to_vec();
        Stream {
            maps: given.maps.iter().map(map).collect(),
            buffers: given.buffers.iter().map(buffer).collect(),
            properties: given
                .properties
                .iter()
                .map(|(k, v)| (bytes(k), bytes(v)))
                .collect(),
            seen,
            bare: given.bare,
        }
    }
}

impl Stream {
    pub(crate) fn outcome(&self) -> StreamOutcome {
        StreamOutcome {
            maps: self
                .maps
                .iter()
                .map(|(map, headers)| (*map, pairs(headers)))
                .collect(),
            buffers: self
                .buffers
                .iter()
                .map(|(buffer, body)| (*buffer, text(&body.to_bytes())))
                .collect(),
            properties: self.properties.iter().map(|(k, v)| (text(k), text(v))).collect(),
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn pairs(headers: &HeaderMap) -> Pairs {
    headers
        .iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

impl StreamState for Stream {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        self.maps.get_mut(&map)
    }

    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        self.buffers.get_mut(&buffer)
    }

    fn send_local_response(&mut self, response: LocalResponse) -> Status {
        if self.bare {
            return ().send_local_response(response);
        }
        self.seen.borrow_mut().local.push(Local {
            status: response.status,
            details: text(&response.details),
            body: text(&response.body),
            headers: pairs(&response.headers),
            grpc_status: response.grpc_status,
        });
        Status::Ok
    }

    fn continue_stream(&mut self, stream: StreamType) -> Status {
        if self.bare {
            return ().continue_stream(stream);
        }
        self.seen.borrow_mut().continued.push(stream);
        Status::Ok
    }

    fn close_stream(&mut self, stream: StreamType) -> Status {
        if self.bare {
            return ().close_stream(stream);
        }
        self.seen.borrow_mut().closed.push(stream);
        Status::Ok
    }

    fn clear_route_cache(&mut self) -> Status {
        if self.bare {
            return ().clear_route_cache();
        }
        self.seen.borrow_mut().routes_cleared += 1;
        Status::Ok
    }

    fn property(&mut self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let found = self.properties.get(path.as_bytes());
        found.map(|value| out.extend_from_slice(value)).is_some()
    }

    fn set_property(
        &mut self,
        path: PropertyPath<'_>,
        value: &[u8],
        declared: &PropertyDeclaration,
    ) -> Status {
        if self.bare {
            return ().set_property(path, value, declared);
        }
        self.properties.insert(path.as_bytes().to_vec(), value.to_vec());
        Status::Ok
    }
}

/// The platform of a case: a clock that stands still, the "random" bytes 1, 2, 3…, and two foreign functions
/// besides those of Envoy.
pub(crate) struct World {
    pub(crate) seen: Rc<RefCell<Seen>>,
    shared: Shared,
    log_level: LogLevel,
    random: bool,
    limits: VmLimits,
    upstreams: Rc<Upstreams>,
}

impl World {
    pub(crate) fn new(given: &Given) -> Self {
        let mut limits = SharedLimits::default();
        if given.tight {
            limits.data_entries = 1;
            limits.queues = 1;
            limits.queue_items = 1;
            limits.metrics = 1;
            limits.name_bytes = 64;
        }
        let seen: Rc<RefCell<Seen>> = Rc::default();
        let mut vm_limits = VmLimits::default();
        vm_limits.callouts = given.callouts;
        World {
            upstreams: Rc::new(Upstreams::new(seen.clone())),
            limits: vm_limits,
            seen,
            shared: Shared::new(limits),
            log_level: given.log_level,
            random: given.random,
        }
    }

    /// With other bounds of VMs.
    #[must_use]
    pub(crate) fn with_limits(mut self, limits: VmLimits) -> Self {
        self.limits = limits;
        self
    }

    /// With what it shares with other worlds.
    #[must_use]
    pub(crate) fn with_shared(mut self, shared: Shared) -> Self {
        self.shared = shared;
        self
    }

    pub(crate) fn seen(&self) -> Rc<RefCell<Seen>> {
        self.seen.clone()
    }

    /// Answers the callouts that were sent since the last time.
    pub(crate) fn answer(&self, vm: &Vm<Stream>, unanswered: bool) -> Result<(), Failure> {
        let started = self.upstreams.started();
        started
            .into_iter()
            .try_for_each(|callout| callout.answer(vm, unanswered))
    }

    /// Hands over what was seen.
    pub(crate) fn tell(&self, outcome: &mut Outcome) {
        let seen = self.seen.take();
        outcome.log = seen.log;
        outcome.local = seen.local;
        outcome.continued = seen.continued;
        outcome.closed = seen.closed;
        outcome.routes_cleared = seen.routes_cleared;
        outcome.ticks = seen.ticks;
        outcome.called = seen.called;
    }
}

impl Platform for World {
    fn log_level(&self) -> LogLevel {
        self.log_level
    }

    fn log(&self, record: &LogRecord<'_>) {
        let mut seen = self.seen.borrow_mut();
        seen.log.push((record.level, record.message.to_owned()));
    }

    fn realtime_ns(&self) -> u64 {
        REALTIME
    }

    fn monotonic_ns(&self) -> u64 {
        MONOTONIC
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        for (n, byte) in buffer.iter_mut().enumerate() {
            *byte = (n as u8).wrapping_add(1);
        }
        self.random
    }

    fn shared(&self) -> &Shared {
        &self.shared
    }

    fn callouts(&self) -> Option<Rc<dyn Callouts>> {
        Some(self.upstreams.clone())
    }

    fn limits(&self) -> VmLimits {
        self.limits
    }

    fn tick_period_changed(&self, _: ContextId, period: Option<Duration>) {
        let millis = period.map_or(0, |period| period.as_millis() as u64);
        self.seen.borrow_mut().ticks.push(millis);
    }

    fn foreign_functions(&self) -> ForeignFunctions {
        enginebay::foreign::envoy()
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
