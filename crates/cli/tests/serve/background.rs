//! What plugins do without a request, and what they count.

use std::time::Duration;

use tokio::time::timeout;

use crate::client::Client;
use crate::config::{Plugin, config};
use crate::runtimes::RUNTIMES;
use crate::server::Server;

/// Holds each request until the next tick, which lets it go on, and counts requests.
const WAITS: &str = r#"(module
    (import "env" "proxy_set_tick_period_milliseconds" (func $period (param i32) (result i32)))
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
    (import "env" "proxy_set_effective_context" (func $use (param i32) (result i32)))
    (import "env" "proxy_continue_stream" (func $go_on (param i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "held")
    (global $held (mut i32) (i32.const 0))
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 1024)
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $define (i32.const 0) (i32.const 16) (i32.const 4) (i32.const 0)))
        (i32.eqz (call $period (i32.const 20))))
    (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
        (drop (call $increment (i32.load (i32.const 0)) (i64.const 1)))
        (global.set $held (local.get $id))
        (i32.const 1))
    (func (export "proxy_on_tick") (param i32)
        (if (global.get $held)
            (then
                (drop (call $use (global.get $held)))
                (drop (call $go_on (i32.const 0)))
                (global.set $held (i32.const 0))))))"#;

#[tokio::test]
async fn a_tick_lets_a_held_request_go_on_and_metrics_are_of_all_workers() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("waits.wasm");
    std::fs::write(&file, wat::parse_str(WAITS).unwrap()).unwrap();
    for runtime in RUNTIMES.iter().copied() {
        let plugin = Plugin {
            file: file.clone(),
            ..Plugin::new(runtime, "waits")
        };
        let server = Server::start_with(&config(&[plugin], &[], false), &["--concurrency", "2"]);
        for _ in 0..8 {
            let mut client = Client::http1(server.address).await;
            let answer = timeout(Duration::from_secs(10), client.get("/direct")).await;
            assert_eq!(answer.unwrap().status, 200, "on {runtime}");
        }
        assert_eq!(server.stat("wasmcustom.held"), 8);
    }
}

/// Envoy 1.40 has the same line, but for what came in the last seconds.
#[tokio::test]
async fn histograms_are_shown_as_quantiles() {
    let lengths = [1, 100, 5, 9, 10, 11, 42, 99, 123, 123, 123, 1000, 1234, 7000];
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(&[Plugin::new(runtime, "metrics")], &[], false));
        let (_, stats) = server.admin("/stats?filter=path_bytes");
        assert_eq!(stats, "wasmcustom.metrics_path_bytes: No recorded values\n");
        for length in lengths {
            let path = format!("/{}", "a".repeat(length - 1));
            let mut client = Client::http1(server.address).await;
            timeout(Duration::from_secs(10), client.get(&path)).await.unwrap();
        }
        let (_, stats) = server.admin("/stats?filter=path_bytes");
        assert_eq!(
            stats,
            "wasmcustom.metrics_path_bytes: P0(nan,1.05) P25(nan,10.5) P50(nan,99.5) P75(nan,127.5) P90(nan,1250) \
             P95(nan,7050) P99(nan,7050) P99.5(nan,7050) P99.9(nan,7050) P100(nan,7050)\n",
            "on {runtime}"
        );
    }
}
