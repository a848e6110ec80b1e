//! What the tests of chains share: guests, an upstream, a log, bodies in frames.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its part")]

pub mod callouts;
pub mod guests;
pub mod upstream;

use std::collections::VecDeque;
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use enginebay::abi::LogLevel;
use enginebay::{Engines, FailurePolicy, LogRecord, Platform, Plugin};
use enginebay_http::{Body, BoxError, ChainOptions, FilterChain, LocalChain, Workers};
use http::{HeaderMap, Request, Response};
use http_body::Frame;
use http_body_util::BodyExt;
use tower::ServiceExt;

pub use upstream::Upstream;

/// The names of the runtimes of WebAssembly plugins that are linked in.
pub fn runtimes() -> Vec<&'static str> {
    let names: Vec<_> = enginebay::registry()
        .unwrap()
        .iter()
        .filter(|runtime| runtime.capabilities.sandbox)
        .map(|runtime| runtime.name)
        .collect();
    assert!(!names.is_empty());
    names
}

/// The runtime for tests of what does not depend on it: the one that is quickest to start.
pub const QUICK: &str = "envoy.wasm.runtime.wasmi";

/// Plugins' messages, from all threads.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    pub fn count(&self, line: &str) -> usize {
        self.lines().iter().filter(|known| *known == line).count()
    }

    pub fn has(&self, part: &str) -> bool {
        self.lines().iter().any(|line| line.contains(part))
    }

    pub fn platform(&self) -> Rc<dyn Platform> {
        Rc::new(TestPlatform(self.clone()))
    }
}

struct TestPlatform(Log);

impl Platform for TestPlatform {
    fn log_level(&self) -> LogLevel {
        LogLevel::Info
    }

    fn log(&self, record: &LogRecord<'_>) {
        self.0.0.lock().unwrap().push(record.message.to_owned());
    }

    fn realtime_ns(&self) -> u64 {
        1_700_000_000_000_000_000
    }

    fn monotonic_ns(&self) -> u64 {
        1
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        buffer.fill(4);
        true
    }
}

/// Where the chain runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Local,
    Workers,
}

pub const MODES: [Mode; 2] = [Mode::Local, Mode::Workers];

/// A chain in front of an upstream.
#[derive(Clone)]
pub struct Proxy {
    pub upstream: Upstream,
    pub log: Log,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Local(LocalChain),
    Workers(Workers),
}

impl Proxy {
    pub fn start(mode: Mode, plugins: impl IntoIterator<Item = Plugin>) -> Proxy {
        Proxy::with_options(mode, plugins, ChainOptions::default())
    }

    pub fn with_options(
        mode: Mode,
        plugins: impl IntoIterator<Item = Plugin>,
        options: ChainOptions,
    ) -> Proxy {
        Proxy::of(mode, FilterChain::new(plugins).with_options(options))
    }

    pub fn of(mode: Mode, chain: FilterChain) -> Proxy {
        let log = Log::default();
        let kind = match mode {
            Mode::Local => Kind::Local(chain.start(log.platform()).unwrap()),
            Mode::Workers => {
                let log = log.clone();
                Kind::Workers(Workers::spawn(chain, NonZeroUsize::MIN, move || log.platform()).unwrap())
            }
        };
        Proxy {
            upstream: Upstream::default(),
            log,
            kind,
        }
    }

    /// Sends a request and returns the response's head with its body still to come.
    pub async fn send(&self, request: Request<Body>) -> Response<BoxedBody> {
        match &self.kind {
            Kind::Local(chain) => {
                let response = chain.service(self.upstream.clone()).oneshot(request).await;
                response.unwrap().map(|body| Box::pin(body) as BoxedBody)
            }
            Kind::Workers(workers) => {
                let response = workers.service(self.upstream.clone()).oneshot(request).await;
                response.unwrap().map(|body| Box::pin(body) as BoxedBody)
            }
        }
    }

    /// Sends a request and reads everything.
    pub async fn fetch(&self, request: Request<Body>) -> Answer {
        let answer = read(self.send(request).await).await;
        self.settle().await;
        answer
    }

    /// Waits until all streams are over, also those that end on another thread.
    pub async fn settle(&self) {
        if let Kind::Workers(_) = self.kind {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    }

    pub fn local(&self) -> &LocalChain {
        match &self.kind {
            Kind::Local(chain) => chain,
            Kind::Workers(_) => panic!("this chain runs on workers"),
        }
    }

    /// Contexts of streams that are still there, by plugin.
    pub fn streams(&self) -> Vec<usize> {
        self.local()
            .context_counts()
            .into_iter()
            .map(|count| count - 1)
            .collect()
    }
}

pub type BoxedBody = Pin<Box<dyn http_body::Body<Data = Bytes, Error = BoxError>>>;

/// A response that was read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub details: Option<String>,
    pub frames: Vec<Bytes>,
    pub trailers: Option<HeaderMap>,
    pub error: Option<String>,
}

impl Answer {
    pub fn text(&self) -> String {
        String::from_utf8(self.frames.concat()).unwrap()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

pub async fn read(response: Response<BoxedBody>) -> Answer {
    let (parts, mut body) = response.into_parts();
    let mut answer = Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        details: parts
            .extensions
            .get::<enginebay_http::ResponseDetails>()
            .map(|details| details.0.clone()),
        frames: Vec::new(),
        trailers: None,
        error: None,
    };
    while let Some(frame) = body.frame().await {
        match frame.map(Frame::into_data) {
            Ok(Ok(data)) => answer.frames.push(data),
            Ok(Err(frame)) => answer.trailers = frame.into_trailers().ok(),
            Err(error) => answer.error = Some(error.to_string()),
        }
    }
    answer
}

/// A body of these frames. Its end is only known when it comes, as with chunked bodies.
pub fn frames(parts: &[&'static str]) -> Frames {
    Frames(
        parts
            .iter()
            .map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes()))))
            .collect(),
    )
}

pub struct Frames(VecDeque<Result<Frame<Bytes>, BoxError>>);

impl Frames {
    pub fn trailers(mut self, trailers: &[(&'static str, &str)]) -> Self {
        let mut map = HeaderMap::new();
        for (name, value) in trailers {
            map.append(*name, value.parse().unwrap());
        }
        self.0.push_back(Ok(Frame::trailers(map)));
        self
    }

    pub fn error(mut self) -> Self {
        self.0.push_back(Err("broken off".into()));
        self
    }

    pub fn body(self) -> Body {
        Body::new(self)
    }
}

impl http_body::Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front())
    }
}

/// A body whose frames a test sends one by one.
pub fn channel() -> (tokio::sync::mpsc::UnboundedSender<&'static str>, Body) {
    let (to, from) = tokio::sync::mpsc::unbounded_channel();
    (to, Body::new(Channel(from)))
}

struct Channel(tokio::sync::mpsc::UnboundedReceiver<&'static str>);

impl http_body::Body for Channel {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        self.0
            .poll_recv(task)
            .map(|part| part.map(|part| Ok(Frame::data(Bytes::from_static(part.as_bytes())))))
    }
}

pub fn get(path: &str) -> Request<Body> {
    request(path, &[], Body::empty())
}

pub fn request(path: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::get(path).header("host", "example.org");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// Runs a test on one thread, with a limit so that what hangs fails.
pub fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            tokio::time::timeout(std::time::Duration::from_secs(60), test)
                .await
                .expect("the test hangs");
        });
}

/// Polls once: for what is to stay pending.
pub async fn is_pending<F: Future>(future: &mut Pin<Box<F>>) -> bool {
    std::future::poll_fn(|task| Poll::Ready(future.as_mut().poll(task).is_pending())).await
}

pub fn engines() -> Engines {
    Engines::new().unwrap()
}

/// One of the committed guests.
pub fn guest(
    engines: &Engines,
    runtime: &str,
    name: &str,
    configuration: &str,
    policy: FailurePolicy,
) -> Plugin {
    let file = format!(
        "{}/../../tests/guests/wasm/{name}.wasm",
        env!("CARGO_MANIFEST_DIR")
    );
    guests::load(
        engines,
        runtime,
        &std::fs::read(file).unwrap(),
        configuration,
        policy,
        false,
    )
}
