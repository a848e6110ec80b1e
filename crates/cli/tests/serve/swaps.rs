//! Many configurations while requests come: good ones, bad ones, slow ones, and ones whose plugins crash.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::client::Client;
use crate::config::{Plugin, config};
use crate::runtimes::any_runtime;
use crate::server::{Server, until};

/// Adds `x-enginebay` with its configuration to responses. What it does before depends on the first letter of that: `n`, it
/// refuses it; `s`, it is configured for 100 ms; `c`, likewise, and crashes then; `l`, it crashes in all VMs but the first of
/// those that are configured with the same text, which is the one that is to find out whether the plugin starts.
const GUEST: &str = r#"
    (import "env" "proxy_get_buffer_bytes" (func $buffer (param i32 i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_get_current_time_nanoseconds" (func $now (param i32) (result i32)))
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
    (import "env" "proxy_get_metric" (func $metric (param i32 i32) (result i32)))
    (import "env" "proxy_add_header_map_value" (func $add (param i32 i32 i32 i32 i32) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 64) "x-enginebay")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "malloc") (param i32) (result i32) (i32.const 1024))
    (func $time (result i64)
        (drop (call $now (i32.const 16)))
        (i64.load (i32.const 16)))
    (func $spin (local $end i64)
        (local.set $end (i64.add (call $time) (i64.const 100000000)))
        (loop $again (br_if $again (i64.lt_u (call $time) (local.get $end)))))
    (func $count (result i64)
        (drop (call $define (i32.const 0) (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 8)))
        (drop (call $increment (i32.load (i32.const 8)) (i64.const 1)))
        (drop (call $metric (i32.load (i32.const 8)) (i32.const 24)))
        (i64.load (i32.const 24)))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (local $kind i32)
        (drop (call $buffer (i32.const 7) (i32.const 0) (local.get 1) (i32.const 0) (i32.const 4)))
        (local.set $kind (i32.load8_u (i32.load (i32.const 0))))
        (if (i32.eq (local.get $kind) (i32.const 0x73)) (then (call $spin)))
        (if (i32.eq (local.get $kind) (i32.const 0x63)) (then (call $spin) unreachable))
        (if (i32.eq (local.get $kind) (i32.const 0x6c))
            (then (if (i64.gt_u (call $count) (i64.const 1)) (then unreachable))))
        (i32.ne (local.get $kind) (i32.const 0x6e)))
    (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (drop (call $add
            (i32.const 2) (i32.const 64) (i32.const 11) (i32.load (i32.const 0)) (i32.load (i32.const 4))))
        (i32.const 0))"#;

/// Functions that nobody calls, which take a while to compile.
fn ballast() -> String {
    let steps = "(local.set 0 (i64.add (i64.mul (local.get 0) (i64.const 3)) (i64.rotl (local.get 0) (i64.const 7))))";
    let function = format!(
        "(func (param i64) (result i64) {} (local.get 0))",
        steps.repeat(100)
    );
    function.repeat(100)
}

/// Configurations to swap.
struct Swaps {
    runtime: &'static str,
    folder: TempDir,
    small: PathBuf,
    large: Vec<u8>,
}

impl Swaps {
    fn new(runtime: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let small = folder.path().join("small.wasm");
        fs::write(&small, wat::parse_str(format!("(module {GUEST})")).unwrap()).unwrap();
        let large = wat::parse_str(format!("(module {GUEST} {})", ballast())).unwrap();
        Swaps {
            runtime,
            folder,
            small,
            large,
        }
    }

    fn of(&self, file: &Path, configuration: &str) -> String {
        let plugin = Plugin {
            file: file.to_owned(),
            // A test's few configurations may stay.
            configuration: configuration.to_owned().leak(),
            ..Plugin::new(self.runtime, "swap")
        };
        config(&[plugin], &[], false)
    }

    /// Code that was never loaded before: what is compiled for one of two equal codes would do for both.
    fn large(&self, number: usize) -> PathBuf {
        let file = self.folder.path().join(format!("large-{number}.wasm"));
        let mut code = self.large.clone();
        // A custom section, `n`, with the number.
        code.extend([0, 10, 1, b'n']);
        code.extend(u64::try_from(number).unwrap().to_le_bytes());
        fs::write(&file, code).unwrap();
        file
    }

    /// A configuration, and whether it is to be served.
    fn change(&self, number: usize) -> (String, bool) {
        let small = |configuration: &str| self.of(&self.small, configuration);
        match number % KINDS {
            0 => (small("no"), false),
            1 => ("nonsense: [".to_owned(), false),
            2 => (small("good"), true),
            3 => (small("slow"), true),
            4 => (small("crash"), false),
            5 => (self.of(&self.large(number), "good and large"), true),
            // It starts where it is tried, and nowhere else.
            6 => (small(&format!("later {number}")), false),
            _ => (small("good"), true),
        }
    }
}

const KINDS: usize = 8;
/// The configurations that may be served.
const GOOD: [&str; 3] = ["good", "slow", "good and large"];

/// Requests one after the other, each of which is answered as it should be.
fn load(address: SocketAddr, stop: &Arc<AtomicBool>) -> JoinHandle<usize> {
    let stop = stop.clone();
    tokio::spawn(async move {
        let mut client = Client::http1(address).await;
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let answer = client.get("/direct").await;
            assert_eq!(answer.status, 200);
            let value = answer.header("x-enginebay").unwrap();
            assert!(GOOD.contains(&value), "{value}");
            count += 1;
        }
        count
    })
}

#[tokio::test]
async fn two_hundred_changes_under_load_lose_no_request() {
    const CHANGES: usize = 200;
    let runtime = any_runtime();
    let swaps = Swaps::new(runtime);
    // On a busy machine 100 ms may be more than a second.
    let server = Server::start_with(&swaps.of(&swaps.small, "good"), &["--time-limit", "60s"]);
    let active = format!("wasm.{runtime}.active");
    let before = server.stat(&active);
    let stop = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4).map(|_| load(server.address, &stop)).collect();
    for number in 0..CHANGES {
        let (config, good) = swaps.change(number);
        let changed = server.change_to(&config).await;
        assert_eq!(changed.is_ok(), good, "change {number}:\n{}", server.log());
    }
    stop.store(true, Ordering::Relaxed);
    for client in load {
        assert!(client.await.unwrap() > 0);
    }
    // The last one that was good is the first one.
    until("gone", || server.stat(&active) == before).await;
    let crashes = server
        .log()
        .matches("Function: proxy_on_configure failed")
        .count();
    assert!(crashes >= 2 * (CHANGES / KINDS), "{crashes}");
}
