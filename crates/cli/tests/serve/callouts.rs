//! HTTP and gRPC callouts of plugins, to real servers.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use http::Version;
use tokio::time::{sleep, timeout};

use crate::client::{Client, get, get_with};
use crate::config::{Plugin, config};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::Server;
use crate::{grpc_server, upstream};

const LONG: Duration = Duration::from_secs(20);

/// Waits until nothing of any request is left.
async fn quiet(server: &Server) {
    let quiet = async {
        let names = [
            "wasm.callouts_active",
            "wasm.streams_active",
            "wasm.buffered_bytes",
        ];
        while names.iter().any(|name| server.stat(name) > 0) {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LONG, quiet).await.expect("callouts or streams are left");
}

#[tokio::test]
async fn a_request_goes_on_with_what_two_calls_brought() {
    for http2 in [false, true] {
        let version = if http2 { Version::HTTP_2 } else { Version::HTTP_11 };
        let port = upstream::start("up", version).await;
        for runtime in RUNTIMES.iter().copied() {
            let plugin = Plugin::configured(
                runtime,
                "callout",
                r#"{"cluster": "up", "paths": ["/1", "/echo"]}"#,
            );
            let server = Server::start(&config(&[plugin], &[port], http2));
            let mut client = Client::http1(server.address).await;
            let answer = client.get("/").await;
            assert_eq!(answer.status, 200, "on {runtime}");
            assert!(answer.text().contains("x-callout-1: 200\nx-callout-2: 200\n"));
            quiet(&server).await;
        }
    }
}

#[tokio::test]
async fn plugins_are_told_of_upstreams_that_do_not_answer_as_clients_are() {
    let port = upstream::start("up", Version::HTTP_11).await;
    let cases = [
        (r#"{"cluster": "dead"}"#, "callout 1: status 503\n"),
        (r#"{"cluster": "none"}"#, "callout 1: status 503\n"),
        (
            r#"{"cluster": "up", "paths": ["/slow", "/1"], "timeout_ms": 50}"#,
            "callout 1: status 504\n",
        ),
    ];
    for (configuration, said) in cases {
        let plugin = Plugin::configured(any_runtime(), "callout", configuration);
        let server = Server::start(&config(&[plugin], &[port], false));
        let mut client = Client::http1(server.address).await;
        let answer = timeout(LONG, client.get("/")).await.unwrap();
        assert_eq!((answer.status.as_u16(), answer.text()), (403, said));
        quiet(&server).await;
    }
}

#[tokio::test]
async fn an_unknown_cluster_is_a_bad_argument() {
    let plugin = Plugin::configured(any_runtime(), "callout", r#"{"cluster": "nowhere"}"#);
    let server = Server::start(&config(&[plugin], &[], false));
    let mut client = Client::http1(server.address).await;
    let answer = timeout(LONG, client.get("/direct")).await.unwrap();
    let expected = (403, "callout 1: not made: BadArgument\n");
    assert_eq!((answer.status.as_u16(), answer.text()), expected);
}

#[tokio::test]
async fn a_bound_can_be_changed_by_name() {
    let port = upstream::start("up", Version::HTTP_11).await;
    let plugin = Plugin::configured(any_runtime(), "callout", r#"{"cluster": "up"}"#);
    let server = Server::start_with(&config(&[plugin], &[port], false), &["--limit", "callouts=1"]);
    let mut client = Client::http1(server.address).await;
    let answer = timeout(LONG, client.get("/")).await.unwrap();
    let expected = (403, "callout 2: not made: InternalFailure\n");
    assert_eq!((answer.status.as_u16(), answer.text()), expected);
    quiet(&server).await;
}

/// Envoy lets this request hang.
#[tokio::test]
async fn a_request_that_waits_is_answered_when_the_plugin_traps_in_the_response() {
    let port = upstream::start("up", Version::HTTP_11).await;
    for runtime in RUNTIMES.iter().copied() {
        for (more, status) in [("", 503), ("fail_open: true", 200)] {
            let plugin = Plugin {
                more,
                ..Plugin::configured(runtime, "callout", r#"{"cluster": "up", "trap": true}"#)
            };
            let server = Server::start(&config(&[plugin], &[port], false));
            let mut client = Client::http1(server.address).await;
            let answer = timeout(LONG, client.get("/")).await.expect("the request hangs");
            assert_eq!(answer.status, status, "on {runtime}");
            assert!(
                server
                    .log()
                    .contains("Function: proxy_on_http_call_response failed")
            );
            quiet(&server).await;
        }
    }
}

#[tokio::test]
async fn calls_go_with_a_client_that_goes() {
    let port = upstream::start("up", Version::HTTP_11).await;
    let plugin = Plugin::configured(
        any_runtime(),
        "callout",
        r#"{"cluster": "up", "paths": ["/slow", "/slow"], "timeout_ms": 60000}"#,
    );
    let server = Server::start(&config(&[plugin], &[port], false));
    for _ in 0..5 {
        let mut client = Client::http1(server.address).await;
        timeout(Duration::from_millis(100), client.start(get("/")))
            .await
            .unwrap_err();
    }
    quiet(&server).await;
}

/// The configuration with a cluster `grpc` too.
fn with_grpc(plugin: Plugin, upstream: u16, grpc: u16) -> String {
    config(&[plugin], &[upstream], false)
        + &format!(
            "  - name: grpc\n    http2_protocol_options: {{}}\n    load_assignment: {{cluster_name: grpc, endpoints: \
             [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: \
             {grpc}}}}}}}}}]}}]}}\n"
        )
}

#[tokio::test]
async fn grpc_calls_and_streams_reach_a_real_server() {
    let up = upstream::start("up", Version::HTTP_11).await;
    for runtime in RUNTIMES.iter().copied() {
        let (port, seen) = grpc_server::start().await;
        let server = Server::start(&with_grpc(
            Plugin::configured(runtime, "grpc_callout", ""),
            up,
            port,
        ));
        let mut client = Client::http1(server.address).await;
        let answer = client.get_with("/", "x-grpc", "unary").await;
        let said = |status, messages, bytes| {
            format!("x-grpc-message-bytes: {bytes}\nx-grpc-messages: {messages}\nx-grpc-status: {status}\n")
        };
        assert!(
            answer.text().contains(&said(0, 1, 7)),
            "{runtime}: {}",
            answer.text()
        );
        for way in ["stream", "close"] {
            // Both messages come back, and how many there were.
            let answer = client.get_with("/", "x-grpc", way).await;
            assert!(
                answer.text().contains(&said(0, 3, 15)),
                "{runtime}: {}",
                answer.text()
            );
        }
        let answer = client.get_with("/", "x-grpc", "cancel").await;
        assert!(
            answer.text().contains("x-grpc-cancel: Ok(())"),
            "{}",
            answer.text()
        );
        for said in [
            "initial metadata: 4",
            "x-to: plugin",
            "trailing metadata: 1",
            "stream closed: status 0",
        ] {
            assert!(server.log().contains(said), "{said} in {}", server.log());
        }
        quiet(&server).await;
        assert_eq!(seen.broken.load(Relaxed), 0);
        assert!(seen.calls.load(Relaxed) >= 3);
    }
}

#[tokio::test]
async fn what_goes_wrong_with_grpc_is_a_status() {
    let up = upstream::start("up", Version::HTTP_11).await;
    let (port, _) = grpc_server::start().await;
    let cases = [
        (r#"{"unary": "Refuse"}"#, "7", "not for you"),
        (r#"{"unary": "Other"}"#, "12", "no such method"),
        (
            r#"{"unary": "Never", "timeout_ms": 50}"#,
            "14",
            "upstream request timeout",
        ),
        (
            r#"{"cluster": "up"}"#,
            "14",
            "cluster up does not speak HTTP/2, which gRPC takes: give it http2_protocol_options",
        ),
        (
            r#"{"cluster": "dead"}"#,
            "14",
            "cluster dead does not speak HTTP/2",
        ),
    ];
    for (configuration, status, message) in cases {
        let plugin = Plugin::configured(any_runtime(), "grpc_callout", configuration);
        let server = Server::start(&with_grpc(plugin, up, port));
        let mut client = Client::http1(server.address).await;
        let answer = timeout(LONG, client.get("/")).await.unwrap();
        let text = answer.text();
        assert!(text.contains(&format!("x-grpc-status: {status}\n")), "{text}");
        assert!(
            text.contains(&format!("x-grpc-status-message: {message}")),
            "{text}"
        );
        quiet(&server).await;
    }
}

#[tokio::test]
async fn a_stream_is_broken_off_with_its_request() {
    let up = upstream::start("up", Version::HTTP_11).await;
    let (port, seen) = grpc_server::start().await;
    // A call that is never answered, which nobody can end but the client.
    let plugin = Plugin::configured(
        any_runtime(),
        "grpc_callout",
        r#"{"unary": "Never", "timeout_ms": 600000}"#,
    );
    let server = Server::start(&with_grpc(plugin, up, port));
    let mut client = Client::http2(server.address).await;
    timeout(
        Duration::from_millis(200),
        client.start(get_with("/", "x-grpc", "unary")),
    )
    .await
    .unwrap_err();
    quiet(&server).await;
    assert_eq!(seen.calls.load(Relaxed), 1);
}
