//! Plugins that are told of streams that are over, and of nothing else.

mod common;

use std::rc::Rc;
use std::time::Duration;

use common::guests::{Wat, recorder};
use common::{Log, MODES, Mode, Proxy, channel, frames, get, request, run};
use enginebay::FailurePolicy;
use enginebay_http::FilterChain;
use http::Response;
use http_body_util::BodyExt;
use tower::ServiceExt;

/// Logs `NAME ID` when it is told of a stream, where ID is a digit.
fn logger(name: &str) -> Wat {
    Wat::default().on(
        "log",
        &format!("(call $log '{name}') (call $log_result (local.get $id))"),
    )
}

fn chain(plugins: impl IntoIterator<Item = Wat>, loggers: impl IntoIterator<Item = Wat>) -> FilterChain {
    FilterChain::new(plugins.into_iter().map(|wat| wat.quick()))
        .with_access_loggers(loggers.into_iter().map(|wat| wat.quick()))
}

/// Reads from each map, and properties.
fn reader() -> Wat {
    Wat::default().on(
        "log",
        "(call $log_header (i32.const 0) ':path')
         (call $log_header (i32.const 0) 'x-a')
         (call $log_header (i32.const 1) 'x-request-end')
         (call $log_header (i32.const 2) ':status')
         (call $log_header (i32.const 2) 'x-upstream')
         (call $log_header (i32.const 3) 'x-end')
         (call $log_header (i32.const 2) 'x-none')
         (call $log_result (call $property 'request\u{0}path' (i32.const 0) (i32.const 4)))
         (call $log_result (call $property 'response\u{0}code' (i32.const 0) (i32.const 4)))
         (call $log_result (call $property 'plugin_root_id' (i32.const 0) (i32.const 4)))",
    )
}

async fn logged(log: &Log, count: usize) -> Vec<String> {
    while log.lines().len() < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    log.lines()
}

#[test]
fn the_root_context_is_called_after_the_filters_log_and_before_their_end() {
    for mode in MODES {
        run(async {
            let proxy = Proxy::of(mode, chain([recorder("a")], [logger("one"), logger("two")]));
            proxy.fetch(get("/")).await;
            let lines = logged(&proxy.log, 9).await;
            // The root context has the first number of its VM.
            assert_eq!(
                lines,
                [
                    "a request_headers",
                    "a response_headers",
                    "a log",
                    "one",
                    "1",
                    "two",
                    "1",
                    "a done",
                    "a delete"
                ]
            );
            proxy.fetch(get("/")).await;
            assert_eq!(logged(&proxy.log, 18).await[9..], lines);
        });
    }
}

#[test]
fn everything_can_be_read_on_each_runtime_with_and_without_filters() {
    let engines = common::engines();
    for runtime in common::runtimes() {
        for mode in MODES {
            for filters in [0, 1] {
                run(async {
                    let filters = (0..filters).map(|_| Wat::default().load(&engines, runtime));
                    let chain =
                        FilterChain::new(filters).with_access_loggers([reader().load(&engines, runtime)]);
                    let mut proxy = Proxy::of(mode, chain);
                    proxy.upstream.respond(|| {
                        let mut response =
                            Response::new(frames(&["body"]).trailers(&[("x-end", "t")]).body());
                        response.headers_mut().insert("x-upstream", "u".parse().unwrap());
                        *response.status_mut() = http::StatusCode::IM_A_TEAPOT;
                        response
                    });
                    let body = frames(&["question"]).trailers(&[("x-request-end", "e")]).body();
                    let answer = proxy.fetch(request("/path", &[("x-a", "1")], body)).await;
                    assert_eq!((answer.status, answer.text().as_str()), (418, "body"));
                    assert_eq!(answer.trailers.unwrap()["x-end"], "t");
                    let lines = logged(&proxy.log, 10).await;
                    let code = 418_i64.to_le_bytes();
                    let code = String::from_utf8_lossy(&code);
                    assert_eq!(
                        lines,
                        ["/path", "1", "e", "418", "u", "t", "1", "/path", &code, ""],
                        "{runtime} {mode:?}"
                    );
                });
            }
        }
    }
}

#[test]
fn a_stream_that_is_over_cannot_be_changed() {
    for mode in MODES {
        run(async {
            let changer = Wat::default().on(
                "log",
                "(call $log_result (call $add (i32.const 2) 'x-late' 'v'))
                 (call $log_result (call $set (i32.const 0) 'x-late' 'v'))
                 (call $log_result (call $remove (i32.const 2) ':status'))
                 (call $log_result (call $set_property 'late' 'v'))
                 (call $log_result (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 0) 'v'))
                 (call $reply (i32.const 500) 'late')
                 (drop (call $close (i32.const 0)))
                 (drop (call $continue (i32.const 0)))",
            );
            let proxy = Proxy::of(mode, chain([], [changer, reader()]));
            let answer = proxy.fetch(get("/path")).await;
            assert_eq!(answer.status, 200);
            let lines = logged(&proxy.log, 15).await;
            assert_eq!(lines[..5], ["2", "2", "2", "1", "1"]);
            assert_eq!((lines[5].as_str(), lines[8].as_str()), ("/path", "200"));
        });
    }
}

#[test]
fn a_property_of_a_filter_can_be_read() {
    for mode in MODES {
        run(async {
            let filter = Wat::default().on(
                "request_headers",
                "(drop (call $set_property 'mark' 'M')) (i32.const 0)",
            );
            let reader = Wat::default().on(
                "log",
                "(if (i32.eqz (call $property 'mark' (i32.const 0) (i32.const 4)))
                   (then (call $log (i32.load (i32.const 0)) (i32.load (i32.const 4)))))",
            );
            let proxy = Proxy::of(mode, chain([filter], [reader]));
            proxy.fetch(get("/")).await;
            assert_eq!(logged(&proxy.log, 1).await, ["M"]);
        });
    }
}

#[test]
fn a_logger_that_crashes_harms_no_stream_and_is_called_no_more() {
    for policy in [FailurePolicy::FailClosed, FailurePolicy::FailOpen] {
        for mode in MODES {
            run(async {
                let mut crash = Wat::default().on("log", "(call $log 'crash') (unreachable)");
                crash.policy = policy;
                let proxy = Proxy::of(mode, chain([], [crash, logger("ok")]));
                for _ in 0..3 {
                    let answer = proxy.fetch(request("/", &[], frames(&["a"]).body())).await;
                    assert_eq!(
                        (answer.status, answer.text().as_str(), answer.error),
                        (200, "a", None)
                    );
                }
                while proxy.log.count("ok") < 3 {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                assert_eq!(proxy.log.count("crash"), 1);
                if mode == Mode::Local {
                    let failures = proxy.local().failures();
                    assert_eq!(failures[0].as_ref().unwrap().function(), Some("proxy_on_log"));
                    assert!(failures[1].is_none());
                    assert_eq!(proxy.streams(), [0, 0]);
                }
            });
        }
    }
}

#[test]
fn streams_that_break_off_are_logged_too() {
    for mode in MODES {
        for filters in [false, true] {
            run(async {
                let filters = filters.then(|| recorder("a"));
                let mut proxy = Proxy::of(mode, chain(filters, [reader()]));
                let (to, body) = channel();
                let body = std::sync::Mutex::new(Some(body));
                proxy
                    .upstream
                    .respond(move || Response::new(body.lock().unwrap().take().unwrap()));
                let mut response = proxy.send(get("/path")).await;
                to.send("x").unwrap();
                let frame = response.body_mut().frame().await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), "x");
                assert!(!proxy.log.has("/path"));
                drop(response);
                while !proxy.log.has("/path") {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
                assert_eq!(proxy.log.count("200"), 1);
            });
        }
    }
}

#[test]
fn a_request_that_nobody_answers_is_logged_without_a_response() {
    run(async {
        let log = Log::default();
        let chain = chain([], [reader()]).start(log.platform()).unwrap();
        let service = tower::service_fn(|_| async { Err::<Response<enginebay_http::Body>, _>("no answer") });
        let result = chain.service(service).oneshot(get("/path")).await;
        assert_eq!(result.err(), Some("no answer"));
        let lines = log.lines();
        assert_eq!((lines[0].as_str(), lines[3].as_str()), ("/path", "1"));
    });
}

#[test]
fn a_local_response_of_a_filter_is_logged_as_it_was_sent() {
    for mode in MODES {
        run(async {
            let filter = Wat::default().on(
                "request_headers",
                "(call $reply (i32.const 403) 'no') (i32.const 1)",
            );
            let proxy = Proxy::of(mode, chain([filter], [reader()]));
            assert_eq!(proxy.fetch(get("/path")).await.status, 403);
            let lines = logged(&proxy.log, 10).await;
            assert_eq!((lines[0].as_str(), lines[3].as_str()), ("/path", "403"));
            assert_eq!(proxy.upstream.called(), 0);
        });
    }
}

#[test]
fn a_logger_has_ticks() {
    run(async {
        let ticks = Wat::default()
            .on(
                "configure",
                "(drop (call $tick_period (i32.const 1))) (i32.const 1)",
            )
            .on("tick", "(call $log 'tick')");
        let proxy = Proxy::of(Mode::Workers, chain([], [ticks]));
        while !proxy.log.has("tick") {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    });
}

#[test]
fn one_that_cannot_start_is_an_error() {
    let bad = Wat::default().on("configure", "(i32.const 0)");
    let failure = chain([], [bad])
        .start(Rc::new(enginebay::StdPlatform))
        .err()
        .unwrap();
    assert_eq!(failure.state(), enginebay::FailState::ConfigureFailed);
    assert!(chain([], []).is_empty() && !chain([], [logger("a")]).is_empty());
}
