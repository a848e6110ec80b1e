//! One whole HTTP stream, as in the benchmark `stream` of `enginebay-bench`, through the crate `proxy-wasm-host`.

#[path = "../../src/messages.rs"]
#[allow(dead_code, reason = "part of another crate as well")]
mod messages;

use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use messages::{REQUEST, RESPONSE};
use proxy_wasm_host::abi::v0_2_1::types::{LogLevel, MapType, Status};
use proxy_wasm_host::abi::v0_2_1::{
    Access, ContextId, Guest, GuestError, Host, Invocation, LogContext, LogSink, PluginConfig, Started,
    StreamKind, StreamState, VmServices,
};
use proxy_wasm_host::{Engine, HeaderMap, Limits, Module, VecHeaderMap};

struct Silent;

impl LogSink for Silent {
    fn log(&self, _: LogContext<'_>, _: LogLevel, _: &[u8]) {}
}

/// Used again for the next stream.
#[derive(Default)]
struct Headers {
    request: VecHeaderMap,
    response: VecHeaderMap,
}

impl StreamState for Headers {
    fn header_map(&mut self, _: Invocation, _: Access, map: MapType) -> Result<&mut dyn HeaderMap, Status> {
        match map {
            MapType::HttpRequestHeaders => Ok(&mut self.request),
            MapType::HttpResponseHeaders => Ok(&mut self.response),
            _ => Err(Status::NotFound),
        }
    }
}

struct Streams {
    guest: Guest,
    root: ContextId,
    spare: Option<Headers>,
}

fn fill(map: &mut VecHeaderMap, headers: &[(&str, &str)]) {
    map.replace_all(&[]).expect("writable");
    for (name, value) in headers {
        map.add(name.as_bytes(), value.as_bytes()).expect("writable");
    }
}

impl Streams {
    fn new(code: &[u8]) -> Streams {
        let engine = Engine::new().expect("an engine");
        let module = Module::new(&engine, code).expect("a valid module");
        let host = Host::new(&engine).expect("linked");
        let services = VmServices::new(Arc::new(Silent));
        let mut guest = Guest::new(&host, &module, services, &Limits::default()).expect("instantiated");
        let Started::Serving(root) = guest.start(PluginConfig::new()).expect("started") else {
            panic!("the plugin refused its start");
        };
        Streams {
            guest,
            root,
            spare: Some(Headers::default()),
        }
    }

    /// Returns how many headers came out.
    fn run(&mut self) -> usize {
        let mut headers = self.spare.take().unwrap_or_default();
        fill(&mut headers.request, REQUEST);
        let root = self.root;
        let (done, headers) = self.guest.with(headers, |scope| {
            let stream = scope.on_context_create(Some(root))?;
            scope.expect_stream_kind(stream, StreamKind::Http)?;
            scope.on_request_headers(stream, REQUEST.len() as u32, true)?;
            fill(&mut scope.stream_mut().response, RESPONSE);
            scope.on_response_headers(stream, RESPONSE.len() as u32, true)?;
            scope.on_done(stream)?;
            scope.on_log(stream)?;
            scope.on_delete(stream)?;
            Ok::<_, GuestError>(())
        });
        done.expect("no trap");
        let count = headers.request.len() + headers.response.len();
        self.spare = Some(headers);
        count
    }
}

const NOOP: &[u8] = include_bytes!("../../../guests/wasm/noop.wasm");
const HEADER_FILTER: &[u8] = include_bytes!("../../../guests/wasm/header_filter.wasm");

fn streams(c: &mut Criterion) {
    for (name, code, added) in [("noop", NOOP, 0), ("header_filter", HEADER_FILTER, 3)] {
        let mut streams = Streams::new(code);
        let expected = REQUEST.len() + RESPONSE.len() + added;
        assert_eq!(streams.run(), expected, "the guest did its work");
        c.benchmark_group(format!("stream/{name}"))
            .bench_function("proxy-wasm-host", |b| b.iter(|| streams.run()));
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = streams
}
criterion_main!(benches);
