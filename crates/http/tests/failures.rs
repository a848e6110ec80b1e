//! Plugins that fail: what their policy makes of the request, and of later ones.

mod common;

use common::guests::{Wat, recorder};
use common::{MODES, Mode, Proxy, engines, frames, get, guest, is_pending, request, run, runtimes};
use enginebay::Engines;
use enginebay::FailurePolicy::{self, FailClosed, FailOpen, FailOpenAtOnce};
use enginebay::engine::{EngineOptions, Limits};
use enginebay_http::Body;
use http::Response;

/// What a request's response is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Fine,
    Answered503,
    /// 200, and the body ends with an error.
    Cut,
}

async fn outcome(proxy: &Proxy, crash: Option<&str>) -> Outcome {
    let headers: Vec<_> = crash.map(|at| ("x-crash", at)).into_iter().collect();
    let answer = proxy.fetch(request("/", &headers, frames(&["in"]).body())).await;
    match (answer.status, &answer.error) {
        (200, None) => {
            assert_eq!(answer.text(), "out");
            Outcome::Fine
        }
        (200, Some(_)) => Outcome::Cut,
        (503, None) => {
            assert_eq!(answer.header("content-length"), Some("0"));
            assert_eq!(answer.details.as_deref(), Some("wasm_fail_stream"));
            assert_eq!(answer.text(), "");
            Outcome::Answered503
        }
        _ => panic!("{answer:?}"),
    }
}

fn crashing(mode: Mode, runtime: &str, policy: FailurePolicy) -> Proxy {
    let mut proxy = Proxy::start(mode, [guest(&engines(), runtime, "crash", "", policy)]);
    proxy.upstream.respond(|| Response::new(frames(&["out"]).body()));
    proxy
}

#[test]
fn a_crash_in_each_callback_under_each_policy() {
    use Outcome::{Answered503, Cut, Fine};
    let table = [
        (FailClosed, "request_headers", Answered503, 0, Answered503),
        (FailClosed, "request_body", Answered503, 0, Answered503),
        (FailClosed, "response_headers", Answered503, 1, Answered503),
        (FailClosed, "response_body", Cut, 1, Answered503),
        (FailClosed, "log", Fine, 1, Answered503),
        (FailOpen, "request_headers", Answered503, 0, Fine),
        (FailOpen, "request_body", Answered503, 0, Fine),
        (FailOpen, "response_headers", Answered503, 1, Fine),
        (FailOpen, "response_body", Cut, 1, Fine),
        (FailOpen, "log", Fine, 1, Fine),
        (FailOpenAtOnce, "request_headers", Fine, 1, Fine),
        (FailOpenAtOnce, "request_body", Fine, 1, Fine),
        (FailOpenAtOnce, "response_headers", Fine, 1, Fine),
        (FailOpenAtOnce, "response_body", Fine, 1, Fine),
        (FailOpenAtOnce, "log", Fine, 1, Fine),
    ];
    for mode in MODES {
        for (policy, at, first, called, later) in table {
            run(async {
                let proxy = crashing(mode, common::QUICK, policy);
                assert_eq!(outcome(&proxy, None).await, Fine);
                assert_eq!(outcome(&proxy, Some(at)).await, first, "{mode:?} {policy:?} {at}");
                assert_eq!(proxy.upstream.called(), 1 + called, "{mode:?} {policy:?} {at}");
                assert_eq!(
                    outcome(&proxy, None).await,
                    later,
                    "{mode:?} {policy:?} {at}, later"
                );
                assert_eq!(
                    outcome(&proxy, Some(at)).await,
                    later,
                    "{mode:?} {policy:?} {at}, later still"
                );
                assert!(proxy.log.has("failed:"), "{:?}", proxy.log.lines());
            });
        }
    }
}

#[test]
fn every_runtime_crashes_alike() {
    for runtime in runtimes() {
        run(async {
            let proxy = crashing(Mode::Local, runtime, FailClosed);
            assert_eq!(
                outcome(&proxy, Some("request_headers")).await,
                Outcome::Answered503
            );
            assert!(
                proxy.log.has("Function: proxy_on_request_headers failed:"),
                "{runtime}"
            );
            assert_eq!(proxy.streams(), [0]);
        });
    }
}

#[test]
fn a_guest_that_loops_is_interrupted() {
    let limits = Limits {
        call_time: Some(std::time::Duration::from_millis(100)),
        ..Limits::default()
    };
    let engines = Engines::with(enginebay::registry().unwrap(), EngineOptions::with_limits(limits));
    for runtime in runtimes() {
        for at in ["request_headers", "response_headers"] {
            run(async {
                let proxy = Proxy::start(Mode::Workers, [guest(&engines, runtime, "spin", "", FailClosed)]);
                let answer = proxy.fetch(request("/", &[("x-spin", at)], Body::empty())).await;
                assert_eq!(answer.status, 503, "{runtime} {at}");
                assert_eq!(proxy.fetch(get("/")).await.status, 503, "{runtime} {at}");
            });
        }
    }
}

#[test]
fn grpc_clients_get_a_grpc_status() {
    run(async {
        let proxy = crashing(Mode::Local, common::QUICK, FailClosed);
        let headers = [
            ("content-type", "application/grpc+proto"),
            ("x-crash", "request_headers"),
        ];
        let answer = proxy.fetch(request("/", &headers, Body::empty())).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("grpc-status"), Some("14"));
        assert_eq!(answer.header("content-type"), Some("application/grpc"));
    });
}

#[test]
fn one_plugins_crash_leaves_the_others_alone() {
    run(async {
        let crash = guest(&engines(), common::QUICK, "crash", "", FailClosed);
        let proxy = Proxy::start(Mode::Local, [recorder("a").quick(), crash, recorder("c").quick()]);
        let answer = proxy
            .fetch(request("/", &[("x-crash", "request_headers")], Body::empty()))
            .await;
        assert_eq!(answer.status, 503);
        let lines: Vec<_> = proxy
            .log
            .lines()
            .into_iter()
            .filter(|line| line.starts_with("a "))
            .collect();
        assert_eq!(
            lines,
            [
                "a request_headers",
                "a response_headers",
                "a log",
                "a done",
                "a delete"
            ]
        );
        assert!(!proxy.log.lines().iter().any(|line| line.starts_with("c ")));
        let failures = proxy.local().failures();
        assert_eq!(
            failures.iter().map(Option::is_some).collect::<Vec<_>>(),
            [false, true, false]
        );
        assert_eq!(proxy.streams(), [0, 0, 0]);
    });
}

#[test]
fn a_stream_that_waits_for_a_plugin_is_answered_when_another_crashes_it() {
    for (policy, status) in [(FailClosed, 503), (FailOpen, 200), (FailOpenAtOnce, 200)] {
        run(async {
            // The first stream waits, the second one traps.
            let mut wat = Wat::default().on(
                "request_headers",
                "(if (i32.eq (local.get $id) (i32.const 3)) (then unreachable)) (i32.const 1)",
            );
            wat.policy = policy;
            let proxy = Proxy::start(Mode::Local, [wat.quick()]);
            let waiting = proxy.clone();
            let mut waiting = Box::pin(async move { waiting.fetch(get("/")).await });
            assert!(is_pending(&mut waiting).await);
            proxy.fetch(get("/")).await;
            assert_eq!(waiting.await.status, status, "{policy:?}");
            assert_eq!(proxy.streams(), [0]);
        });
    }
}

#[test]
fn a_plugin_that_does_not_start_is_an_error_of_spawn() {
    let plugin = || guest(&engines(), common::QUICK, "crash", "configure", FailClosed);
    let chain = enginebay_http::FilterChain::new([plugin()]);
    let log = common::Log::default();
    assert!(chain.start(log.platform()).is_err());
    let threads = std::num::NonZeroUsize::new(2).unwrap();
    let failure = enginebay_http::Workers::spawn(chain, threads, move || log.platform()).unwrap_err();
    assert_eq!(failure.state(), enginebay::FailState::ConfigureFailed);
}
