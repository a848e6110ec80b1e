//! Stats sinks (`envoy.stat_sinks.wasm`).

use std::path::PathBuf;

use enginebay::abi::StatsUpdate;
use tempfile::TempDir;

use crate::client::Client;
use crate::config::{Plugin, config, guest, stats_sinks};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, refused, until};

/// Counts how often it is told, and logs what in hexadecimal digits.
const SINK: &str = r#"(module
    (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
    (import "env" "proxy_get_buffer_bytes" (func $get (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
    (memory (export "memory") 64)
    (data (i32.const 32) "stats: ")
    (data (i32.const 64) "flushes")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 65536)
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (i32.eqz (call $define (i32.const 0) (i32.const 64) (i32.const 7) (i32.const 16))))
    (func $digit (param i32) (result i32)
        (i32.add (local.get 0) (select (i32.const 48) (i32.const 87) (i32.lt_u (local.get 0) (i32.const 10)))))
    (func (export "envoy_on_stats_update") (param $context i32) (param $size i32)
        (local $from i32) (local $end i32) (local $to i32)
        (drop (call $increment (i32.load (i32.const 16)) (i64.const 1)))
        (if (call $get (i32.const 8) (i32.const 0) (local.get $size) (i32.const 0) (i32.const 4))
            (then (unreachable)))
        (if (i32.ne (i32.load (i32.const 4)) (local.get $size)) (then (unreachable)))
        (local.set $from (i32.load (i32.const 0)))
        (local.set $end (i32.add (local.get $from) (local.get $size)))
        (local.set $to (i32.const 1048576))
        (memory.copy (local.get $to) (i32.const 32) (i32.const 7))
        (local.set $to (i32.add (local.get $to) (i32.const 7)))
        (block $done
            (loop $next
                (br_if $done (i32.ge_u (local.get $from) (local.get $end)))
                (i32.store8 (local.get $to)
                    (call $digit (i32.shr_u (i32.load8_u (local.get $from)) (i32.const 4))))
                (i32.store8 offset=1 (local.get $to)
                    (call $digit (i32.and (i32.load8_u (local.get $from)) (i32.const 15))))
                (local.set $to (i32.add (local.get $to) (i32.const 2)))
                (local.set $from (i32.add (local.get $from) (i32.const 1)))
                (br $next)))
        (drop (call $log (i32.const 2) (i32.const 1048576)
            (i32.sub (local.get $to) (i32.const 1048576))))))"#;

/// A sink with this code, and where it is.
fn sink(runtime: &'static str, wat: &str) -> (TempDir, Plugin) {
    let dir = tempfile::tempdir().unwrap();
    let file: PathBuf = dir.path().join("sink.wasm");
    std::fs::write(&file, wat::parse_str(wat).unwrap()).unwrap();
    let plugin = Plugin {
        file,
        ..Plugin::new(runtime, "sink")
    };
    (dir, plugin)
}

/// A configuration with this sink, told when `flush` says.
fn with(sink: &Plugin, flush: &str) -> String {
    format!(
        "{}{flush}\n{}",
        stats_sinks(std::slice::from_ref(sink)),
        config(&[], &[], false)
    )
}

/// What a sink was told at one time.
struct Told(Vec<u8>);

impl Told {
    /// A counter's value, and what of it was new.
    fn counter(&self, name: &str) -> Option<(u64, u64)> {
        let update = StatsUpdate::decode(&self.0).unwrap();
        let mut counters = update.counters.iter();
        let counter = counters.find(|counter| counter.name == name.as_bytes())?;
        Some((counter.value, counter.delta))
    }

    fn gauge(&self, name: &str) -> Option<u64> {
        let update = StatsUpdate::decode(&self.0).unwrap();
        let mut gauges = update.gauges.iter();
        Some(gauges.find(|gauge| gauge.name == name.as_bytes())?.value)
    }
}

/// All that the sink was told. What is being written is none yet.
fn told(server: &Server) -> Vec<Told> {
    let log = server.log();
    let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
    let digits = whole
        .lines()
        .filter_map(|line| line.split_once("wasm log: stats: "));
    let bytes = |digits: &str| -> Vec<u8> {
        let pairs = digits.as_bytes().chunks(2);
        let byte = |pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap();
        pairs.map(byte).collect()
    };
    digits.map(|(_, digits)| Told(bytes(digits))).collect()
}

const REQUESTS: &str = "http.ingress.downstream_rq_total";

#[tokio::test]
async fn a_sink_is_told_of_gauges_and_of_counters_with_what_is_new() {
    for runtime in RUNTIMES.iter().copied() {
        let (_dir, sink) = sink(runtime, SINK);
        let server = Server::start(&with(&sink, "stats_flush_interval: 0.05s"));
        until("told", || !told(&server).is_empty()).await;
        let mut client = Client::http1(server.address).await;
        for _ in 0..3 {
            assert_eq!(client.get("/direct").await.status, 200);
        }
        let all_told = || {
            told(&server)
                .iter()
                .any(|told| told.counter(REQUESTS).is_some_and(|(value, _)| value == 3))
        };
        until("told of requests", all_told).await;
        let before = told(&server).len();
        until("told again", || told(&server).len() > before + 1).await;

        let told = told(&server);
        let requests: Vec<_> = told.iter().filter_map(|told| told.counter(REQUESTS)).collect();
        // One that is 0 is left out.
        assert!(told[0].counter(REQUESTS).is_none());
        assert_eq!(
            requests.iter().map(|(_, new)| new).sum::<u64>(),
            3,
            "{requests:?}"
        );
        assert_eq!(requests.last(), Some(&(3, 0)));
        // Its own are among them, each with what was when it was told.
        let flushes: Vec<_> = told
            .iter()
            .map(|told| told.counter("wasmcustom.flushes"))
            .collect();
        assert_eq!(flushes[..3], [None, Some((1, 1)), Some((2, 1))]);
        assert_eq!(told[0].gauge("server.concurrency"), Some(2));
        // It is one for the process.
        let active = format!("wasm.{runtime}.active");
        assert_eq!(told[0].gauge(&active), Some(1));
        assert_eq!(server.stat(&active), 1);
        assert_eq!(server.stat("wasm.sink.crashes"), 0);
        server.has_no_complaints();
    }
}

#[tokio::test]
async fn the_last_numbers_are_told_when_the_server_ends() {
    let (_dir, sink) = sink(any_runtime(), SINK);
    let mut server = Server::start(&with(&sink, "stats_flush_interval: 299.9s"));
    let mut client = Client::http1(server.address).await;
    assert_eq!(client.get("/direct").await.status, 200);
    drop(client);
    assert!(told(&server).is_empty());
    server.terminate();
    assert_eq!(server.ended(), Some(0));
    let told = told(&server);
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].counter(REQUESTS), Some((1, 1)));
    assert_eq!(told[0].gauge("http.ingress.downstream_rq_active"), None);
}

#[tokio::test]
async fn a_sink_is_told_when_the_admin_interface_is_asked_if_so_configured() {
    let (_dir, sink) = sink(any_runtime(), SINK);
    let mut server = Server::start(&with(&sink, "stats_flush_on_admin: true"));
    for (at, path) in ["/stats", "/stats/prometheus", "/stats?format=json&filter=nothing"]
        .iter()
        .enumerate()
    {
        assert!(server.is_ready());
        assert_eq!(told(&server).len(), at);
        server.admin(path);
        until("told", || told(&server).len() == at + 1).await;
    }
    server.terminate();
    assert_eq!(server.ended(), Some(0));
    assert_eq!(told(&server).len(), 3);
}

#[tokio::test]
async fn sinks_come_and_go_with_configurations_and_what_was_told_is_not_new() {
    let runtime = any_runtime();
    let (_dir, sink) = sink(runtime, SINK);
    let server = Server::start(&with(&sink, "stats_flush_interval: 0.02s"));
    let mut client = Client::http1(server.address).await;
    assert_eq!(client.get("/direct").await.status, 200);
    until("told", || {
        told(&server).iter().any(|told| told.counter(REQUESTS).is_some())
    })
    .await;
    server.change_to(&config(&[], &[], false)).await.unwrap();
    until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 0).await;
    let before = told(&server).len();
    let mut client = Client::http1(server.address).await;
    assert_eq!(client.get("/direct").await.status, 200);
    server
        .change_to(&with(&sink, "stats_flush_interval: 0.03s"))
        .await
        .unwrap();
    until("told again", || told(&server).len() > before).await;
    assert_eq!(told(&server)[before].counter(REQUESTS), Some((2, 1)));
}

#[tokio::test]
async fn a_sink_that_traps_goes_by_its_policy() {
    const TRAPS: &str = r#"(module
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "proxy_on_memory_allocate") (param i32) (result i32) i32.const 8)
        (func (export "envoy_on_stats_update") (param i32 i32) unreachable))"#;
    for runtime in RUNTIMES.iter().copied() {
        let (_dir, mut sink) = sink(runtime, TRAPS);
        let server = Server::start(&with(&sink, "stats_flush_interval: 0.01s"));
        server.log_with("Function: envoy_on_stats_update failed").await;
        until("counted", || server.stat("wasm.sink.crashes") == 1).await;
        assert_eq!(
            Client::http1(server.address).await.get("/direct").await.status,
            200
        );
        sink.more = "failure_policy: FAIL_RELOAD, reload_config: {backoff: {base_interval: 0.01s}}";
        server
            .change_to(&with(&sink, "stats_flush_interval: 0.01s"))
            .await
            .unwrap();
        until("again", || server.stat("wasm.sink.vm_reload_success") > 1).await;
    }
}

#[tokio::test]
async fn who_cannot_be_told_is_warned_about() {
    let runtime = any_runtime();
    let (_dir, mut sink) = sink(runtime, SINK);
    sink.more = "capability_restriction_config: {allowed_capabilities: {proxy_on_configure: {}, proxy_define_metric: {}}}";
    const WARNING: &str = "stats_sinks[0].typed_config.config: the plugin does not export envoy_on_stats_update or may \
                           not be called for it";
    let server = Server::start(&with(&sink, "stats_flush_on_admin: true"));
    assert!(server.log().contains(WARNING), "{}", server.log());
    sink.file = guest("noop");
    sink.more = "";
    server
        .change_to(&with(&sink, "stats_flush_interval: 0.001s"))
        .await
        .unwrap();
    assert_eq!(server.log().matches(WARNING).count(), 2);
    assert_eq!(server.stat("wasm.sink.crashes"), 0);
    assert!(told(&server).is_empty());
}

#[test]
fn intervals_out_of_range_are_refused() {
    let (_dir, sink) = sink(any_runtime(), SINK);
    for (flush, problem) in [
        (
            "stats_flush_interval: 0.0009s",
            "stats_flush_interval: must be at least 0.001s and less than 300s",
        ),
        (
            "stats_flush_interval: 300s",
            "stats_flush_interval: must be at least 0.001s and less than 300s",
        ),
        (
            "stats_flush_on_admin: false",
            "stats_flush_on_admin: must be true if given",
        ),
    ] {
        let ended = refused(&with(&sink, flush));
        assert_eq!(ended.code, Some(1));
        assert!(
            ended.errors().iter().any(|error| error.contains(problem)),
            "{}",
            ended.stderr
        );
    }
}
