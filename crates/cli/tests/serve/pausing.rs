//! Requests that a plugin holds.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::config::{Plugin, config};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::Server;

/// Holds a request until the next one comes, which lets both go on.
const HOLDS: &str = r#"(module
    (import "env" "proxy_set_effective_context" (func $use (param i32) (result i32)))
    (import "env" "proxy_continue_stream" (func $go_on (param i32) (result i32)))
    (memory (export "memory") 1)
    (global $held (mut i32) (i32.const 0))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
    (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
        (if (result i32) (i32.eqz (global.get $held))
            (then (global.set $held (local.get $id)) (i32.const 1))
            (else
                (drop (call $use (global.get $held)))
                (drop (call $go_on (i32.const 0)))
                (global.set $held (i32.const 0))
                (i32.const 0)))))"#;

/// A server with the plugin on one worker, so that all requests meet the same VM.
fn server(runtime: &'static str) -> (tempfile::TempDir, Server) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("holds.wasm");
    std::fs::write(&file, wat::parse_str(HOLDS).unwrap()).unwrap();
    let plugin = Plugin {
        file,
        ..Plugin::new(runtime, "holds")
    };
    let server = Server::start_with(&config(&[plugin], &[], false), &["--concurrency", "1"]);
    (dir, server)
}

async fn wait_for_streams(server: &Server, streams: u64) {
    for _ in 0..100 {
        if server.stat("wasm.streams_active") == streams {
            return;
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("{} streams, not {streams}", server.stat("wasm.streams_active"));
}

#[tokio::test]
async fn a_held_request_waits_until_the_plugin_lets_it_go_on() {
    for runtime in RUNTIMES.iter().copied() {
        let (_dir, server) = server(runtime);
        let mut first = Client::http1(server.address).await;
        let mut held = Box::pin(first.get("/direct"));
        assert!(timeout(Duration::from_millis(300), &mut held).await.is_err());
        let mut second = Client::http1(server.address).await;
        assert_eq!(second.get("/direct").await.status, 200);
        assert_eq!(timeout(Duration::from_secs(10), held).await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_held_request_ends_when_its_client_goes() {
    let (_dir, server) = server(any_runtime());
    let mut client = Client::http1(server.address).await;
    let request = tokio::spawn(async move { client.get("/direct").await.status });
    wait_for_streams(&server, 1).await;
    request.abort();
    wait_for_streams(&server, 0).await;
    assert!(server.is_ready());
}
