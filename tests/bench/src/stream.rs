//! Whole streams through the host.

use std::collections::VecDeque;
use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use enginebay::abi::{BufferType, LogLevel, MapType};
use enginebay::engine::Engine;
use enginebay::{
    Body, ContextId, EngineOptions, Engines, HeaderMap, Limits, LogRecord, Platform, Plugin, PluginConfig,
    Running, StreamState, VmConfig,
};

use crate::guests::{self, Guest, Workload};

/// The engine of the runtime with this short name, with limits as they are by default.
///
/// # Panics
/// When the runtime is not linked in, or the machine can't run it.
pub fn engine(runtime: &str) -> Arc<dyn Engine> {
    engine_for(runtime, EngineOptions::default().max_instances)
}

/// [`engine`], with address space reserved for so many instances.
///
/// # Panics
/// As [`engine`].
pub fn engine_for(runtime: &str, instances: u32) -> Arc<dyn Engine> {
    let registry = enginebay::registry().expect("no two runtimes of one name");
    let name = format!("envoy.wasm.runtime.{runtime}");
    let found = registry.get(&name).expect("the runtime is linked in");
    // The benchmark keeps guests busy for longer than a plugin should be.
    let limits = Limits {
        call_time: found
            .runtime
            .capabilities
            .time_limit
            .then_some(Duration::from_secs(60)),
        ..Limits::default()
    };
    let mut options = EngineOptions::with_limits(limits);
    options.max_instances = instances;
    Engines::with(registry, options)
        .get(&name)
        .expect("the engine can be set up")
}

/// A platform that logs nothing.
pub struct Silent;

impl Platform for Silent {
    fn log_level(&self) -> LogLevel {
        LogLevel::Critical
    }
    fn log(&self, record: &LogRecord<'_>) {
        eprintln!("{record}");
    }
    fn realtime_ns(&self) -> u64 {
        0
    }
    fn monotonic_ns(&self) -> u64 {
        0
    }
    fn random(&self, _: &mut [u8]) -> bool {
        false
    }
}

/// Headers of a stream, in memory that is used again for the next stream.
#[derive(Default)]
pub struct Headers {
    request: HeaderMap,
    /// There from when the response comes.
    response: Option<Box<HeaderMap>>,
    body: Body,
}

/// The state of a stream: headers and body, until they are taken for the next one.
pub struct Stream(Option<Box<Headers>>);

impl StreamState for Stream {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        let headers = self.0.as_mut()?;
        match map {
            MapType::HttpRequestHeaders => Some(&mut headers.request),
            MapType::HttpResponseHeaders => headers.response.as_deref_mut(),
            _ => None,
        }
    }

    fn buffer(&mut self, buffer: BufferType) -> Option<impl DerefMut<Target = Body>> {
        let headers = self.0.as_mut()?;
        (buffer == BufferType::HttpRequestBody).then_some(&mut headers.body)
    }
}

/// A plugin that streams run through, one after the other.
pub struct Streams {
    running: Running<Stream>,
    spare: Option<Box<Headers>>,
    body: Bytes,
}

impl Streams {
    /// Loads a plugin on the runtime with this short name.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn new(runtime: &str, workload: Workload) -> Streams {
        Streams::on(&*engine(runtime), workload)
    }

    /// Loads a plugin on this engine.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn on(engine: &dyn Engine, Workload { guest, body, .. }: Workload) -> Streams {
        let plugin = Plugin::new(
            engine,
            &guest.code(engine),
            PluginConfig::default(),
            VmConfig::default(),
        )
        .expect("the plugin loads");
        Streams {
            running: plugin.start(Rc::new(Silent)).expect("the plugin starts"),
            spare: Some(Box::default()),
            body: Bytes::from(vec![b'a'; body]),
        }
    }

    /// One stream from beginning to end, with headers copied in. Returns how many headers came out.
    ///
    /// # Panics
    /// When the plugin traps.
    pub fn run(&mut self) -> usize {
        let vm = &self.running.vm;
        let mut headers = self.spare.take().unwrap_or_default();
        fill(&mut headers.request, guests::REQUEST);
        let id = vm
            .create_stream(self.running.root, Stream(Some(headers)))
            .expect("no trap");
        let body = self.body.len();
        vm.on_request_headers(id, guests::REQUEST.len(), body == 0)
            .expect("no trap");
        if body > 0 {
            let chunk = self.body.clone();
            self.with(id, |headers| {
                headers.body.clear();
                headers.body.push(chunk);
            });
            let vm = &self.running.vm;
            vm.on_request_body(id, body, true).expect("no trap");
            let after = self.with(id, |headers| headers.body.len());
            assert_eq!(after, body, "the guest did its work");
        }
        let mut count = self.with(id, |headers| {
            fill(headers.response.get_or_insert_default(), guests::RESPONSE);
            headers.request.len()
        });
        let vm = &self.running.vm;
        vm.on_response_headers(id, guests::RESPONSE.len(), true)
            .expect("no trap");
        count += self.with(id, |headers| headers.response.as_ref().map_or(0, |map| map.len()));
        let vm = &self.running.vm;
        vm.on_log(id).expect("no trap");
        self.spare = vm.stream(id).and_then(|mut stream| stream.0.take());
        vm.finish(id).expect("no trap");
        count
    }

    fn with<R>(&self, id: ContextId, f: impl FnOnce(&mut Headers) -> R) -> R {
        let mut stream = self.running.vm.stream(id).expect("the stream is there");
        f(stream.0.as_mut().expect("the headers are still there"))
    }
}

/// Streams that are open at once, in one VM. A response's headers are in the map of the response before it, as in
/// `enginebay-http`: streams that wait for one have none.
pub struct Open {
    running: Running<Stream>,
    streams: VecDeque<ContextId>,
    spare: Option<Box<HeaderMap>>,
}

impl Open {
    /// Loads a plugin on the runtime with this short name, and opens so many streams.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn new(runtime: &str, guest: Guest, count: usize) -> Open {
        let workload = Workload {
            guest,
            body: 0,
            headers: 0,
        };
        let mut open = Open {
            running: Streams::new(runtime, workload).running,
            streams: VecDeque::with_capacity(count),
            spare: None,
        };
        for _ in 0..count {
            open.begin(Box::default());
        }
        open
    }

    fn begin(&mut self, mut headers: Box<Headers>) {
        let vm = &self.running.vm;
        fill(&mut headers.request, guests::REQUEST);
        let id = vm
            .create_stream(self.running.root, Stream(Some(headers)))
            .expect("no trap");
        vm.on_request_headers(id, guests::REQUEST.len(), true)
            .expect("no trap");
        self.streams.push_back(id);
    }

    /// Brings the oldest stream to its end, and begins another one.
    ///
    /// # Panics
    /// When the plugin traps.
    pub fn replace(&mut self) {
        let Some(id) = self.streams.pop_front() else {
            return;
        };
        let mut response = self.spare.take().unwrap_or_default();
        fill(&mut response, guests::RESPONSE);
        let vm = &self.running.vm;
        if let Some(headers) = vm.stream(id).as_mut().and_then(|stream| stream.0.as_mut()) {
            headers.response = Some(response);
        }
        vm.on_response_headers(id, guests::RESPONSE.len(), true)
            .expect("no trap");
        vm.on_log(id).expect("no trap");
        let mut headers = vm
            .stream(id)
            .and_then(|mut stream| stream.0.take())
            .unwrap_or_default();
        vm.finish(id).expect("no trap");
        self.spare = headers.response.take();
        self.begin(headers);
    }
}

fn fill(map: &mut HeaderMap, headers: &[(&str, &str)]) {
    map.clear();
    for (name, value) in headers {
        map.push_valid(name, value);
    }
    map.set_unmodified();
}

/// The guest [`CALLS`](crate::guests::CALLS) through the host.
pub struct Calls {
    running: Running<()>,
    stream: ContextId,
}

impl Calls {
    /// Loads it on the runtime with this short name.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn new(runtime: &str) -> Calls {
        let engine = engine(runtime);
        let plugin = Plugin::new(
            &*engine,
            &guests::calls_for(&*engine),
            PluginConfig::default(),
            VmConfig::default(),
        )
        .expect("the plugin loads");
        let running: Running<()> = plugin.start(Rc::new(Silent)).expect("the plugin starts");
        let stream = running.vm.create_stream(running.root, ()).expect("no trap");
        Calls { running, stream }
    }

    /// Calls a callback that does nothing.
    ///
    /// # Panics
    /// Never, unless the guest traps.
    pub fn callback(&mut self) {
        self.running.vm.on_log(self.stream).expect("no trap");
    }

    /// Has the guest call a host function that moves no bytes `n` times.
    ///
    /// # Panics
    /// Never, unless the guest traps.
    pub fn host_calls(&mut self, n: u32) {
        self.running
            .vm
            .on_request_trailers(self.stream, n as usize)
            .expect("no trap");
    }
}
