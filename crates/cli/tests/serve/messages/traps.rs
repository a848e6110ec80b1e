//! What is left of a plugin that traps: answers, lines in the log, numbers.

use std::time::Duration;

use http_body_util::BodyExt;

use super::guest::Guests;
use crate::client::{Client, get_with, post};
use crate::config::{Plugin, bootstrap, config, http_listener};
use crate::remote_retries::Codes;
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, until};

/// A server on one worker, so that all requests meet the same VM.
fn start(plugins: &[Plugin], upstreams: &[u16]) -> Server {
    Server::start_with(&config(plugins, upstreams, false), &["--concurrency", "1"])
}

/// Has the plugin crash in this callback, which is to be seen in the log.
fn crash_at(callback: &str) -> http::Request<crate::client::SendBody> {
    let mut request = post("/echo", "body");
    request.headers_mut().insert("x-crash", callback.parse().unwrap());
    request
}

#[tokio::test]
async fn a_crash_in_each_callback_of_a_request() {
    for runtime in RUNTIMES.iter().copied() {
        for (callback, function, status, reached) in [
            ("request_headers", "proxy_on_request_headers", Some(503), 0),
            ("request_body", "proxy_on_request_body", Some(503), 0),
            ("response_headers", "proxy_on_response_headers", Some(503), 1),
            // The head is gone already.
            ("response_body", "proxy_on_response_body", None, 1),
            ("log", "proxy_on_log", Some(200), 1),
        ] {
            let upstream = Codes::start(0, Duration::ZERO).await;
            let server = start(&[Plugin::new(runtime, "crash")], &[upstream.port]);
            let mut client = Client::http1(server.address).await;
            match status {
                Some(status) => {
                    let answer = client.send(crash_at(callback)).await.unwrap();
                    assert_eq!(answer.status.as_u16(), status, "{callback} on {runtime}");
                    if status == 503 {
                        assert_eq!(answer.text(), "");
                    }
                }
                None => {
                    let head = client.start(crash_at(callback)).await.unwrap();
                    assert_eq!(head.status(), 200);
                    assert!(head.into_body().collect().await.is_err(), "on {runtime}");
                }
            }
            server.log_with(&format!("Function: {function} failed")).await;
            assert_eq!(upstream.asked(), reached, "{callback} on {runtime}");
            let mut client = Client::http1(server.address).await;
            assert_eq!(client.get("/direct").await.status, 503, "{callback} on {runtime}");
        }
    }
}

#[tokio::test]
async fn over_http2_too_an_answer_is_cut_behind_its_head() {
    let upstream = Codes::start(0, Duration::ZERO).await;
    let server = start(&[Plugin::new(any_runtime(), "crash")], &[upstream.port]);
    let mut client = Client::http2(server.address).await;
    let head = client.start(crash_at("response_body")).await.unwrap();
    assert_eq!(head.status(), 200);
    assert!(head.into_body().collect().await.is_err());
}

#[tokio::test]
async fn what_the_answer_for_a_crash_is() {
    let logs = r#"
        (func (export "proxy_on_log") (param i32)
            (drop (call $property {{response\0code_details}} (i32.const 8) (i32.const 12)))
            (call $say (call $at) (call $size)))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let logger = guests.plugin(runtime, "logs", logs);
        let listener = http_listener("main", &[Plugin::new(runtime, "crash")], &[logger]);
        let server = Server::start(&bootstrap(&[listener], &[], false));
        let mut client = Client::http1(server.address).await;
        let answer = client.get_with("/direct", "x-crash", "request_headers").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (503, ""));
        let mut names: Vec<&str> = answer.headers.keys().map(http::HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "date", "server"]);
        assert_eq!(answer.header("content-length"), Some("0"));
        server.log_with("wasm log: wasm_fail_stream").await;

        let mut request = get_with("/direct", "x-crash", "request_headers");
        let grpc = "application/grpc".parse().unwrap();
        request.headers_mut().insert("content-type", grpc);
        let answer = Client::http2(server.address).await.send(request).await.unwrap();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("grpc-status"), Some("14"));
    }
}

/// Whether the engine knows the frames of its guests.
fn has_backtraces(server: &Server, runtime: &str) -> bool {
    let runtimes: serde_json::Value = serde_json::from_str(&server.admin("/runtimes").1).unwrap();
    let found = runtimes.as_array().unwrap().iter();
    let mut found = found.filter(|found| found["name"] == runtime);
    let capabilities = &found.next().unwrap()["capabilities"];
    capabilities["backtrace_names"].as_bool().unwrap()
}

#[tokio::test]
async fn the_log_has_the_frames_of_the_guest() {
    for runtime in RUNTIMES.iter().copied() {
        let server = start(&[Plugin::new(runtime, "crash")], &[]);
        if !has_backtraces(&server, runtime) {
            continue;
        }
        let mut client = Client::http1(server.address).await;
        client.get_with("/direct", "x-crash", "request_headers").await;
        let log = server
            .log_with("Function: proxy_on_request_headers failed: ")
            .await;
        let (_, trace) = log
            .split_once("Proxy-Wasm plugin in-VM backtrace:\n")
            .unwrap_or_else(|| panic!("on {runtime}: {log}"));
        let frames: Vec<&str> = trace.lines().take(2).map(str::trim_start).collect();
        assert!(frames[0].starts_with("0: "), "on {runtime}: {frames:?}");
        assert!(frames[1].starts_with("1: "), "on {runtime}: {frames:?}");
    }
}

#[tokio::test]
async fn each_policy_has_its_answers() {
    for runtime in RUNTIMES.iter().copied() {
        // The policy, the request that crashes the plugin, and the next one.
        for (policy, crash, next) in [
            ("", 503, 503),
            ("fail_open: false", 503, 503),
            ("failure_policy: FAIL_CLOSED", 503, 503),
            ("fail_open: true", 200, 200),
            ("failure_policy: FAIL_OPEN", 503, 200),
            (
                "failure_policy: FAIL_RELOAD, reload_config: {backoff: {base_interval: 600s}}",
                503,
                503,
            ),
        ] {
            let plugin = Plugin {
                more: policy,
                ..Plugin::new(runtime, "crash")
            };
            let server = start(&[plugin], &[]);
            let mut client = Client::http1(server.address).await;
            let answer = client.get_with("/direct", "x-crash", "request_headers").await;
            assert_eq!(answer.status.as_u16(), crash, "{policy} on {runtime}");
            for _ in 0..2 {
                let answer = client.get("/direct").await;
                assert_eq!(answer.status.as_u16(), next, "{policy} on {runtime}");
            }
        }
    }
}

#[tokio::test]
async fn a_tick_that_crashes_is_the_last_one() {
    let ticks = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (drop (call $tick (i32.const 50)))
            (i32.const 1))
        (func (export "proxy_on_tick") (param i32) unreachable)
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let server = start(&[guests.plugin(runtime, "ticks", ticks)], &[]);
        server.log_with("Function: proxy_on_tick failed").await;
        let mut client = Client::http1(server.address).await;
        assert_eq!(client.get("/direct").await.status, 503);
        until("counted", || server.stat("wasm.ticks.crashes") > 0).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert_eq!(server.stat("wasm.ticks.crashes"), 1);
        assert_eq!(server.log().matches("Function: proxy_on_tick failed").count(), 1);
    }
}

#[tokio::test]
async fn an_exit_is_a_trap() {
    let exits = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $exit (i32.const 7))
            (i32.const 0))"#;
    let guests = Guests::new();
    let server = start(&[guests.plugin(any_runtime(), "exits", exits)], &[]);
    let mut client = Client::http1(server.address).await;
    assert_eq!(client.get("/direct").await.status, 503);
    let log = server.log_with("Function: proxy_on_request_headers failed").await;
    assert!(log.contains("proc_exit"), "{log}");
    assert!(server.is_ready());
}
