//! How costs grow: filters in a chain, streams open at once, bytes of a body.

#![allow(missing_docs, reason = "criterion's macros make public functions without")]

use std::convert::Infallible;
use std::future::{Ready, poll_fn, ready};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use enginebay::{Plugin, PluginConfig, VmConfig};
use enginebay_bench::guests::{BODY_REWRITE, NOOP, REQUEST, Workload, replace_header};
use enginebay_bench::stream::{Open, Silent, Streams, engine};
use enginebay_http::{FilterChain, LocalBody, LocalService};
use http::{Request, Response};
use http_body_util::Empty;
use tokio::runtime::{Builder, Runtime};
use tower_service::Service;
use xtask::bench::sizes;

type NoBody = Empty<bytes::Bytes>;

/// What is behind the chain.
#[derive(Clone)]
struct Answer;

impl Service<Request<LocalBody<NoBody>>> for Answer {
    type Response = Response<NoBody>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<LocalBody<NoBody>>) -> Self::Future {
        ready(Ok(Response::new(NoBody::new())))
    }
}

fn request() -> Request<NoBody> {
    let mut request = Request::builder().uri("https://www.example.com/products/12345?color=blue&size=m");
    for (name, value) in REQUEST.iter().filter(|(name, _)| !name.starts_with(':')) {
        request = request.header(*name, *value);
    }
    request.body(NoBody::new()).expect("a valid request")
}

/// One request through the whole chain, to the end of the response.
fn pass(runtime: &Runtime, service: &mut LocalService<Answer>) {
    use http_body_util::BodyExt as _;
    runtime.block_on(async {
        poll_fn(|task| service.poll_ready(task)).await.expect("ready");
        let response = service.call(request()).await.expect("an answer");
        assert_eq!(response.status(), 200);
        drop(response.into_body().collect().await.expect("a whole body"));
    });
}

fn chains(c: &mut Criterion) {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    let (engine, code) = (engine(RUNTIME), replace_header());
    let mut group = c.benchmark_group("scale/chain");
    for count in sizes::FILTERS {
        let plugins = (0..count).map(|index| {
            let config = PluginConfig {
                name: format!("filter {index}"),
                ..PluginConfig::default()
            };
            Plugin::new(&*engine, &code, config, VmConfig::default()).expect("the plugin loads")
        });
        let chain = FilterChain::new(plugins)
            .start(Rc::new(Silent))
            .expect("the plugins start");
        let mut service = chain.service(Answer);
        group.bench_function(count.to_string(), |b| b.iter(|| pass(&runtime, &mut service)));
    }
    group.finish();
}

fn streams(c: &mut Criterion) {
    let mut group = c.benchmark_group("scale/open");
    for count in sizes::OPEN {
        let mut open = Open::new(RUNTIME, NOOP, count);
        group.bench_function(count.to_string(), |b| b.iter(|| open.replace()));
    }
    group.finish();
}

fn bodies(c: &mut Criterion) {
    let mut group = c.benchmark_group("scale/body");
    group.sample_size(10);
    for size in sizes::BODIES {
        let mut streams = Streams::new(
            RUNTIME,
            Workload {
                guest: BODY_REWRITE,
                body: size,
                headers: 0,
            },
        );
        group.bench_function(size.to_string(), |b| b.iter(|| streams.run()));
    }
    group.finish();
}

/// What grows is the host's: one engine shows it.
const RUNTIME: &str = if cfg!(feature = "wasmtime") {
    "wasmtime"
} else {
    "wasmi"
};

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    targets = chains, streams, bodies
}
criterion_main!(benches);
