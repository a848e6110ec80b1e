//! Whole streams through the host.

use std::ops::DerefMut;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay::abi::{LogLevel, MapType};
use enginebay::engine::Engine;
use enginebay::{
    ContextId, EngineOptions, Engines, HeaderMap, Limits, LogRecord, Platform, Plugin, PluginConfig, Running,
    StreamState, VmConfig,
};

use crate::guests::{self, Guest};

/// The engine of the runtime with this short name, with limits as they are by default.
///
/// # Panics
/// When the runtime is not linked in, or the machine can't run it.
pub fn engine(runtime: &str) -> Arc<dyn Engine> {
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
    Engines::with(registry, EngineOptions::with_limits(limits))
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
    response: HeaderMap,
}

/// The state of a stream: headers, until they are taken for the next one.
pub struct Stream(Option<Box<Headers>>);

impl StreamState for Stream {
    fn headers(&mut self, map: MapType) -> Option<impl DerefMut<Target = HeaderMap>> {
        let headers = self.0.as_mut()?;
        match map {
            MapType::HttpRequestHeaders => Some(&mut headers.request),
            MapType::HttpResponseHeaders => Some(&mut headers.response),
            _ => None,
        }
    }
}

/// A plugin that streams run through, one after the other.
pub struct Streams {
    running: Running<Stream>,
    spare: Option<Box<Headers>>,
}

impl Streams {
    /// Loads a plugin on the runtime with this short name.
    ///
    /// # Panics
    /// When the machine can't run it.
    pub fn new(runtime: &str, guest: Guest) -> Streams {
        let engine = engine(runtime);
        let plugin = Plugin::new(
            &*engine,
            &guest.code(&*engine),
            PluginConfig::default(),
            VmConfig::default(),
        )
        .expect("the plugin loads");
        Streams {
            running: plugin.start(Rc::new(Silent)).expect("the plugin starts"),
            spare: Some(Box::default()),
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
        vm.on_request_headers(id, guests::REQUEST.len(), true)
            .expect("no trap");
        let mut count = self.with(id, |headers| {
            fill(&mut headers.response, guests::RESPONSE);
            headers.request.len()
        });
        let vm = &self.running.vm;
        vm.on_response_headers(id, guests::RESPONSE.len(), true)
            .expect("no trap");
        count += self.with(id, |headers| headers.response.len());
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
