//! HTTP calls, gRPC calls and gRPC streams of plugins.

mod common;

use std::cell::RefCell;
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use common::callouts::{Callouts, boxed, pairs};
use common::guests::Wat;
use common::{Answer, Log, Upstream, frames, get, read, runtimes};
use enginebay::FailurePolicy;
use enginebay_http::{Body, BoxError, ChainOptions, FilterChain, LocalBoxBody, LocalChain, Workers};
use http::{Request, Response, Version};
use http_body_util::{BodyExt, Full};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};
use tower::ServiceExt;

const LONG: Duration = Duration::from_secs(20);

/// A chain of one plugin, its background running.
struct Bench {
    chain: LocalChain,
    upstream: Upstream,
    log: Log,
    callouts: Callouts,
}

impl Bench {
    fn start(runtime: &str, guest: &Wat, callouts: Callouts) -> Bench {
        Bench::with_options(runtime, guest, callouts, ChainOptions::default())
    }

    fn with_options(runtime: &str, guest: &Wat, callouts: Callouts, options: ChainOptions) -> Bench {
        let log = Log::default();
        let plugin = guest.load(&common::engines(), runtime);
        let chain = FilterChain::new([plugin]).with_options(options);
        let chain = chain
            .start_with(log.platform(), Rc::new(callouts.clone()))
            .unwrap();
        spawn_local(chain.background());
        Bench {
            chain,
            upstream: Upstream::default(),
            log,
            callouts,
        }
    }

    async fn fetch(&self, request: Request<Body>) -> Answer {
        let response = self.chain.service(self.upstream.clone()).oneshot(request);
        let response = timeout(LONG, response).await.expect("the request hangs").unwrap();
        read(response.map(|body| Box::pin(body) as common::BoxedBody)).await
    }

    async fn until(&self, what: impl Fn(&Bench) -> bool) {
        let until = async {
            while !what(self) {
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(LONG, until)
            .await
            .unwrap_or_else(|_| panic!("logged: {:?}", self.log.lines()));
    }

    fn is_quiet(&self) -> bool {
        self.chain.callout_counts() == [0] && self.chain.vms().usage().buffered == 0
    }
}

fn on_each(test: impl AsyncFn(&'static str)) {
    for runtime in runtimes() {
        println!("on {runtime}");
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tokio.block_on(LocalSet::new().run_until(test(runtime)));
    }
}

/// Calls the upstream `up` with a body and a trailer when a request comes, and holds the request.
fn caller(milliseconds: u32) -> Wat {
    let mut wat = Wat::default();
    let call = call(&mut wat, "up", milliseconds);
    wat.on(
        "request_headers",
        &format!("(call $log_number {call}) (i32.const 1)"),
    )
}

fn call(wat: &mut Wat, upstream: &str, milliseconds: u32) -> String {
    let headers = [
        (":method", "POST"),
        (":path", "/p?q"),
        (":authority", "a.b:80"),
        ("x", "1"),
        ("x", "2"),
        ("content-length", "999"),
    ];
    let parts = [
        wat.text(upstream),
        wat.text(&pairs(&headers)),
        wat.text("body"),
        wat.text(&pairs(&[("t", "3")])),
    ];
    format!(
        "(call $http_call {} (i32.const {milliseconds}) (i32.const 12))",
        parts.join(" ")
    )
}

/// Logs what came, and lets the request go on.
fn and_goes_on(wat: Wat) -> Wat {
    wat.on(
        "http_call_response",
        "(call $log_number (local.get $n)) (call $log_number (local.get $size))
         (call $log_number (local.get $trailers))
         (call $log_header (i32.const 6) ':status') (call $log_header (i32.const 6) 'h')
         (call $log_header (i32.const 7) 't') (call $log_buffer (i32.const 4))
         (drop (call $add (i32.const 0) 'x-added' 'yes'))
         (drop (call $continue (i32.const 0)))",
    )
}

#[test]
fn a_request_waits_for_a_call_and_goes_on_with_its_answer() {
    on_each(async |runtime| {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let note = seen.clone();
        let callouts = Callouts::default().on("up", move |request: Request<Body>| {
            let note = note.clone();
            async move {
                sleep(Duration::from_millis(5)).await;
                let (parts, body) = request.into_parts();
                let body = body.collect().await.unwrap();
                let trailers = body.trailers().cloned().unwrap_or_default();
                note.borrow_mut().push((parts, body.to_bytes(), trailers));
                let body = boxed(frames(&["hel", "lo"]).trailers(&[("t", "v")]).body());
                Ok(Response::builder().status(201).header("h", "w").body(body)?)
            }
        });
        let bench = Bench::start(runtime, &and_goes_on(caller(0)), callouts);
        let answer = bench.fetch(get("/")).await;
        assert_eq!(answer.status, 200);
        assert_eq!(bench.upstream.last().headers["x-added"], "yes");
        assert_eq!(bench.log.lines(), ["0", "2", "5", "1", "201", "w", "v", "hello"]);
        let seen = seen.borrow();
        let (parts, body, trailers) = &seen[0];
        assert_eq!((parts.method.as_str(), &body[..]), ("POST", &b"body"[..]));
        assert_eq!(parts.uri, "http://a.b:80/p?q");
        assert_eq!(parts.headers.get_all("x").iter().count(), 2);
        assert_eq!(parts.headers.len(), 2);
        assert_eq!(trailers["t"], "3");
        assert!(bench.is_quiet());
    });
}

#[test]
fn what_brings_no_answer_has_no_headers_and_what_takes_too_long_is_504() {
    let no_answer = ["0", "0", "0", "0", "1", "1", "1"];
    let broken = |_| async { Err("no such luck".into()) };
    let breaks_off = |_| async { Ok(Response::new(boxed(frames(&["a"]).error().body()))) };
    let too_large = |_| async { Ok(Response::new(boxed(frames(&["12345", "6"]).body()))) };
    on_each(async |runtime| {
        let all = [
            Callouts::default().on("up", broken),
            Callouts::default().on("up", breaks_off),
            Callouts::default().on("up", too_large),
        ];
        for callouts in all {
            let mut options = ChainOptions::default();
            options.callout_response = 5;
            let bench = Bench::with_options(runtime, &and_goes_on(caller(0)), callouts, options);
            assert_eq!(bench.fetch(get("/")).await.status, 200);
            assert_eq!(bench.log.lines()[..4], no_answer[..4]);
            assert!(bench.is_quiet());
        }
        let never = Callouts::default().on("up", |_| std::future::pending());
        let bench = Bench::start(runtime, &and_goes_on(caller(5)), never);
        assert_eq!(bench.fetch(get("/")).await.status, 200);
        let expected = ["0", "3", "24", "0", "504", "1", "1", "upstream request timeout"];
        assert_eq!(bench.log.lines(), expected);
        assert_eq!(bench.callouts.gone.get(), 1);
    });
}

#[test]
fn an_unknown_upstream_is_a_bad_argument() {
    on_each(async |runtime| {
        let mut wat = Wat::default();
        let call = call(&mut wat, "nowhere", 0);
        let wat = wat.on(
            "request_headers",
            &format!("(call $log_number {call}) (i32.const 0)"),
        );
        let bench = Bench::start(runtime, &wat, Callouts::default());
        assert_eq!(bench.fetch(get("/")).await.status, 200);
        assert_eq!(bench.log.lines(), ["2"]);
    });
}

/// Envoy lets such a request hang.
#[test]
fn a_request_that_waits_for_a_call_is_answered_when_the_plugin_fails_in_it() {
    on_each(async |runtime| {
        for (policy, status) in [
            (FailurePolicy::FailClosed, 503),
            (FailurePolicy::FailOpen, 200),
            (FailurePolicy::FailOpenAtOnce, 200),
        ] {
            let callouts = Callouts::default().on("up", |_| async {
                sleep(Duration::from_millis(2)).await;
                Ok(Response::new(boxed(Full::<Bytes>::default())))
            });
            let mut wat = caller(0).on("http_call_response", "unreachable");
            wat.policy = policy;
            let bench = Bench::start(runtime, &wat, callouts);
            assert_eq!(bench.fetch(get("/")).await.status, status, "{policy:?}");
            assert!(bench.chain.failures()[0].is_some());
            assert!(bench.is_quiet());
        }
    });
}

#[test]
fn a_call_is_broken_off_when_nobody_waits_for_it() {
    on_each(async |runtime| {
        let never = || Callouts::default().on("up", |_| std::future::pending());
        let bench = Bench::start(runtime, &caller(0), never());
        // The client goes.
        let response = bench.chain.service(bench.upstream.clone()).oneshot(get("/"));
        timeout(Duration::from_millis(5), response).await.unwrap_err();
        assert_eq!(bench.callouts.begun.get(), 1);
        bench.until(|bench| bench.callouts.gone.get() == 1).await;
        assert!(bench.is_quiet());
        // The chain goes, with a call of the root context under way.
        let mut wat = Wat::default();
        let call = call(&mut wat, "up", 0);
        let wat = wat.on("configure", &format!("(drop {call}) (i32.const 1)"));
        let bench = Bench::start(runtime, &wat, never());
        bench.until(|bench| bench.chain.callout_counts() == [1]).await;
        sleep(Duration::from_millis(2)).await;
        let Bench { chain, callouts, .. } = bench;
        drop(chain);
        sleep(Duration::from_millis(2)).await;
        assert_eq!((callouts.begun.get(), callouts.gone.get()), (1, 1));
    });
}

#[test]
fn workers_have_upstreams_too() {
    let log = Log::default();
    let plugin = and_goes_on(caller(0)).quick();
    let platform = log.clone();
    let workers = Workers::spawn_with(FilterChain::new([plugin]), NonZeroUsize::MIN, move || {
        let callouts = Callouts::default().on("up", |_| async {
            Ok(Response::new(boxed(Full::<Bytes>::default())))
        });
        (platform.platform(), Rc::new(callouts))
    })
    .unwrap();
    common::run(async {
        let upstream = Upstream::default();
        let response = workers.service(upstream.clone()).oneshot(get("/")).await;
        assert_eq!(response.unwrap().status(), 200);
        assert_eq!(upstream.last().headers["x-added"], "yes");
    });
}

/// A gRPC message in its frame.
fn framed(message: &str) -> Bytes {
    let len = u8::try_from(message.len()).unwrap();
    let mut framed = vec![0, 0, 0, 0, len];
    framed.extend_from_slice(message.as_bytes());
    framed.into()
}

fn grpc(frame: Bytes, trailers: &[(&'static str, &str)]) -> Result<Response<LocalBoxBody>, BoxError> {
    let mut map = http::HeaderMap::new();
    for (name, value) in trailers {
        map.append(*name, value.parse()?);
    }
    let body = Full::new(frame).with_trailers(std::future::ready(Some(Ok(map))));
    let response = Response::builder().header("content-type", "application/grpc");
    Ok(response.header("i", "1").body(boxed(body))?)
}

fn grpc_call(wat: &mut Wat, milliseconds: u32) -> String {
    let parts = [
        wat.text("up"),
        wat.text("pkg.S"),
        wat.text("M"),
        wat.text(&pairs(&[("m", "1"), ("content-length", "999")])),
        wat.text("message"),
    ];
    format!(
        "(call $grpc_call {} (i32.const {milliseconds}) (i32.const 12))",
        parts.join(" ")
    )
}

/// Makes a gRPC call when a request comes, holds the request, and logs what came.
fn grpc_caller(milliseconds: u32) -> Wat {
    let mut wat = Wat::default();
    let call = grpc_call(&mut wat, milliseconds);
    wat.on(
        "request_headers",
        &format!("(call $log_number {call}) (i32.const 1)"),
    )
    .on(
        "grpc_receive",
        "(call $log 'receive') (call $log_buffer (i32.const 5)) (drop (call $continue (i32.const 0)))",
    )
    .on(
        "grpc_close",
        "(call $log 'close') (call $log_number (local.get $n))
             (call $log_result (call $get_status (i32.const 12) (i32.const 0) (i32.const 4)))
             (drop (call $continue (i32.const 0)))",
    )
}

#[test]
fn a_grpc_call_is_answered_by_a_message_or_a_status() {
    on_each(async |runtime| {
        type Case = (
            fn() -> Result<Response<LocalBoxBody>, BoxError>,
            &'static [&'static str],
        );
        let cases: [Case; 8] = [
            (
                || grpc(framed("answer"), &[("grpc-status", "0")]),
                &["receive", "answer"],
            ),
            (
                || {
                    grpc(
                        framed("a"),
                        &[("grpc-status", "5"), ("grpc-message", "not%20there")],
                    )
                },
                &["close", "5", "not there"],
            ),
            (
                || grpc(Bytes::new(), &[("grpc-status", "0")]),
                &["close", "13", ""],
            ),
            (|| grpc(framed("a"), &[]), &["close", "2", ""]),
            (
                || grpc(Bytes::from_static(b"\x01\0\0\0\0"), &[]),
                &["close", "13", "a message is compressed, which was not asked for"],
            ),
            (
                || {
                    Ok(Response::builder()
                        .status(503)
                        .body(boxed(frames(&["down"]).body()))?)
                },
                &["close", "14", "down"],
            ),
            (
                || {
                    Ok(Response::builder()
                        .header("grpc-status", "7")
                        .body(boxed(Body::empty()))?)
                },
                &["close", "7", ""],
            ),
            (|| Err("gone".into()), &["close", "14", "gone"]),
        ];
        for (answer, expected) in cases {
            let callouts = Callouts::default().on("up", move |request: Request<Body>| async move {
                assert_eq!(request.version(), Version::HTTP_2);
                assert_eq!(request.uri(), "http://up/pkg.S/M");
                let headers = request.headers();
                assert_eq!(headers["content-type"], "application/grpc");
                assert_eq!(
                    (&headers["te"], &headers["m"]),
                    (&"trailers".parse()?, &"1".parse()?)
                );
                assert_eq!(headers["grpc-timeout"], "5000m");
                assert_eq!(headers.len(), 4);
                let body = request.into_body().collect().await.unwrap().to_bytes();
                assert_eq!(body, framed("message"));
                answer()
            });
            let bench = Bench::start(runtime, &grpc_caller(5000), callouts);
            assert_eq!(bench.fetch(get("/")).await.status, 200);
            assert_eq!(bench.log.lines()[1..], *expected);
            assert!(bench.is_quiet());
        }
        let never = Callouts::default().on("up", |_| std::future::pending());
        let bench = Bench::start(runtime, &grpc_caller(5), never);
        assert_eq!(bench.fetch(get("/")).await.status, 200);
        assert_eq!(
            bench.log.lines()[1..],
            ["close", "14", "upstream request timeout"]
        );
    });
}

#[test]
fn calls_that_a_plugin_takes_back_at_once_are_gone_at_once() {
    on_each(async |runtime| {
        let mut wat = Wat::default();
        let call = grpc_call(&mut wat, 0);
        let wat = wat.on(
            "request_headers",
            &format!(
                "(loop $again
                   (drop {call})
                   (drop (call $grpc_cancel (i32.load (i32.const 12))))
                   (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
                   (br_if $again (i32.lt_u (global.get $ticks) (i32.const 100))))
                 {call} drop (i32.const 0)"
            ),
        );
        let never = Callouts::default().on("up", |_| std::future::pending());
        let log = Log::default();
        let plugin = wat.load(&common::engines(), runtime);
        // Without a background, nothing is begun that could be broken off.
        let chain = FilterChain::new([plugin])
            .start_with(log.platform(), Rc::new(never.clone()))
            .unwrap();
        let response = chain
            .service(Upstream::default())
            .oneshot(get("/"))
            .await
            .unwrap();
        assert_eq!((never.begun.get(), never.gone.get()), (101, 100));
        assert_eq!(chain.callout_counts(), [1]);
        drop(response);
        assert_eq!((never.gone.get(), chain.callout_counts()), (101, vec![0]));
    });
}

/// Opens a stream, sends `one` on it, and `two` as the last when it hears the first answer.
fn streamer() -> Wat {
    let mut wat = Wat::default();
    let parts = [
        wat.text("up"),
        wat.text("pkg.S"),
        wat.text("M"),
        wat.text(&pairs(&[])),
    ];
    let open = format!("(call $grpc_stream {} (i32.const 12))", parts.join(" "));
    wat.on(
        "request_headers",
        &format!(
            "(call $log_number {open})
             (call $log_number (call $grpc_send (i32.const 6) 'one' (i32.const 0)))
             (call $log_number (call $grpc_send (i32.const 6) 'this is too much' (i32.const 0)))
             (i32.const 1)"
        ),
    )
    .on(
        "grpc_receive_initial_metadata",
        "(call $log 'initial') (call $log_header (i32.const 4) 'i')",
    )
    .on(
        "grpc_receive",
        "(call $log_buffer (i32.const 5))
         (call $log_number (call $grpc_send (local.get $call) 'two' (i32.const 1)))",
    )
    .on(
        "grpc_receive_trailing_metadata",
        "(call $log 'trailing') (call $log_header (i32.const 5) 't')",
    )
    .on(
        "grpc_close",
        "(call $log 'close') (call $log_number (local.get $n)) (drop (call $continue (i32.const 0)))",
    )
}

#[test]
fn a_grpc_stream_goes_both_ways() {
    on_each(async |runtime| {
        // Answers each message with itself.
        let callouts = Callouts::default().on("up", |request: Request<Body>| async move {
            let echo = request.into_body().map_err(BoxError::from);
            let mut trailers = http::HeaderMap::new();
            trailers.insert("grpc-status", "0".parse()?);
            trailers.insert("t", "2".parse()?);
            let body = echo.with_trailers(std::future::ready(Some(Ok(trailers))));
            Ok(Response::builder().header("i", "1").body(boxed(body))?)
        });
        let mut options = ChainOptions::default();
        options.grpc_send = 80;
        let bench = Bench::with_options(runtime, &streamer(), callouts, options);
        assert_eq!(bench.fetch(get("/")).await.status, 200);
        let expected = [
            &["0", "0", "10", "initial", "1", "one", "0", "two", "0"][..],
            &["trailing", "2", "close", "0"],
        ];
        assert_eq!(bench.log.lines(), expected.concat());
        assert!(bench.is_quiet());
    });
}

#[test]
fn an_access_logger_can_send_what_it_logs() {
    on_each(async |runtime| {
        let mut logger = Wat::default();
        let call = call(&mut logger, "up", 1000);
        let logger = logger
            .on("log", &format!("(call $log_number {call})"))
            .on("http_call_response", "(call $log_header (i32.const 6) ':status')");
        let ok = |_| async { Ok(Response::new(boxed(Body::empty()))) };
        let callouts = Callouts::default().on("up", ok);
        let log = Log::default();
        // Behind a filter, so that its place is not that of a filter.
        let filter = Wat::default().load(&common::engines(), runtime);
        let chain = FilterChain::new([filter])
            .with_access_loggers([logger.load(&common::engines(), runtime)])
            .start_with(log.platform(), Rc::new(callouts.clone()))
            .unwrap();
        spawn_local(chain.background());
        let bench = Bench {
            chain,
            upstream: Upstream::default(),
            log,
            callouts,
        };
        assert_eq!(bench.fetch(get("/")).await.status, 200);
        bench.until(|bench| bench.log.lines() == ["0", "200"]).await;
        assert_eq!(bench.chain.callout_counts(), [0, 0]);
    });
}
