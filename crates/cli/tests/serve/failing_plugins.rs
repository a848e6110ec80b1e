//! Plugins that trap or never return: the server lives.

use http::StatusCode;

use crate::client::Client;
use crate::config::{Plugin, config};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::Server;

#[tokio::test]
async fn a_crash_is_503_from_then_on_and_the_server_lives() {
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start_with(
            &config(&[Plugin::new(runtime, "crash")], &[], false),
            &["--concurrency", "1"],
        );
        let mut client = Client::http1(server.address).await;
        assert_eq!(client.get("/direct").await.status, 200);
        let answer = client.get_with("/direct", "x-crash", "request_headers").await;
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((answer.text(), answer.header("content-length")), ("", Some("0")));
        assert_eq!(client.get("/direct").await.status, 503);
        assert!(server.is_ready());
        server.log_with("Function: proxy_on_request_headers failed").await;
        assert_eq!(server.stat("wasm.crash.crashes"), 1);
        assert_eq!(server.stat("http.ingress.downstream_rq_5xx"), 2);
    }
}

#[tokio::test]
async fn fail_open_goes_on_without_the_plugin() {
    let plugin = Plugin {
        more: "failure_policy: FAIL_OPEN",
        ..Plugin::new(any_runtime(), "crash")
    };
    let server = Server::start_with(&config(&[plugin], &[], false), &["--concurrency", "1"]);
    let mut client = Client::http1(server.address).await;
    assert_eq!(
        client
            .get_with("/direct", "x-crash", "request_headers")
            .await
            .status,
        503
    );
    assert_eq!(client.get("/direct").await.status, 200);
}

#[tokio::test]
async fn a_loop_without_end_is_stopped() {
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start_with(
            &config(&[Plugin::new(runtime, "spin")], &[], false),
            &["--concurrency", "1"],
        );
        let mut client = Client::http1(server.address).await;
        assert_eq!(client.get("/direct").await.status, 200);
        assert_eq!(client.get_with("/direct", "x-spin", "1").await.status, 503);
        server.log_with("proxy_on_request_headers").await;
        assert!(server.is_ready());
        assert_eq!(server.stat("wasm.spin.crashes"), 1);
    }
}

#[tokio::test]
async fn the_time_limit_can_be_chosen() {
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start_with(
            &config(&[Plugin::new(runtime, "spin")], &[], false),
            &["--concurrency", "1", "--time-limit", "60s"],
        );
        let mut client = Client::http1(server.address).await;
        // Within a minute the plugin goes on: nothing but the end of the patience here shows it.
        let request = client.get_with("/direct", "x-spin", "1");
        let patience = std::time::Duration::from_millis(2500);
        assert!(tokio::time::timeout(patience, request).await.is_err());
    }
}
