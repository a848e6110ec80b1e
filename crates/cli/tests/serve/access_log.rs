//! Access logs that plugins write.

use std::path::PathBuf;

use http::Version;
use tempfile::TempDir;

use crate::client::{Client, get_with};
use crate::config::{Plugin, bootstrap, http_listener};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, refused, until};
use crate::upstream;

/// Logs `[PATH][X-PLUGIN][STATUS][X-OWN]CODE`: headers of the request and the response, a trailer of the response and
/// the property `response.code`, each empty if it is not there, and the code as a letter. With the request header `x-crash` it traps instead.
const LOGGER: &str = r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_header_map_value" (func $get (param i32 i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $property (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 4)
  (global $heap (mut i32) (i32.const 65536))
  (global $end (mut i32) (i32.const 0))
  (data (i32.const 16) ":pathx-plugin:statusx-ownx-crashresponse\00code")
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "proxy_on_memory_allocate") (param i32) (result i32)
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get 0))))
  (func $byte (param i32)
    (i32.store8 (global.get $end) (local.get 0))
    (global.set $end (i32.add (global.get $end) (i32.const 1))))
  ;; Adds what a host function that gave this status returned, in brackets.
  (func $add (param $status i32)
    (call $byte (i32.const 91))
    (if (i32.eqz (local.get $status))
      (then
        (memory.copy (global.get $end) (i32.load (i32.const 0)) (i32.load (i32.const 4)))
        (global.set $end (i32.add (global.get $end) (i32.load (i32.const 4))))))
    (call $byte (i32.const 93)))
  (func $header (param i32 i32 i32) (result i32)
    (call $get (local.get 0) (local.get 1) (local.get 2) (i32.const 0) (i32.const 4)))
  (func (export "proxy_on_log") (param i32)
    (if (i32.eqz (call $header (i32.const 0) (i32.const 41) (i32.const 7))) (then unreachable))
    (global.set $heap (i32.const 65536))
    (global.set $end (i32.const 32768))
    (call $add (call $header (i32.const 0) (i32.const 16) (i32.const 5)))
    (call $add (call $header (i32.const 0) (i32.const 21) (i32.const 8)))
    (call $add (call $header (i32.const 2) (i32.const 29) (i32.const 7)))
    (call $add (call $header (i32.const 3) (i32.const 36) (i32.const 5)))
    (if (i32.eqz (call $property (i32.const 48) (i32.const 13) (i32.const 0) (i32.const 4)))
      ;; A number of eight bytes: a letter of it will do.
      (then
        (call $byte (i32.add (i32.const 65)
          (i32.rem_u (i32.load16_u (i32.load (i32.const 0))) (i32.const 26))))))
    (drop (call $log (i32.const 2) (i32.const 32768) (i32.sub (global.get $end) (i32.const 32768)))))
)"#;

/// The letter that [`LOGGER`] writes for a code.
fn letter(code: u16) -> char {
    char::from(b'A' + u8::try_from(code % 26).unwrap())
}

fn logger(folder: &TempDir) -> PathBuf {
    let file = folder.path().join("logger.wasm");
    std::fs::write(&file, wat::parse_str(LOGGER).unwrap()).unwrap();
    file
}

/// A logger with this file.
fn plugin(runtime: &'static str, file: PathBuf) -> Plugin {
    Plugin {
        file,
        more: "root_id: logged",
        ..Plugin::new(runtime, "logger")
    }
}

/// A configuration with these filters and this logger.
fn with_log(filters: &[Plugin], logger: Plugin, upstreams: &[u16]) -> String {
    bootstrap(&[http_listener("main", filters, &[logger])], upstreams, true)
}

#[tokio::test]
async fn a_logger_sees_what_went_both_ways_with_and_without_filters() {
    let folder = tempfile::tempdir().unwrap();
    let file = logger(&folder);
    let port = upstream::start("a", Version::HTTP_2).await;
    for runtime in RUNTIMES.iter().copied() {
        let filter = Plugin {
            configuration: r#"{"request": {"x-plugin": "a"}}"#,
            ..Plugin::new(runtime, "add_header")
        };
        for (filters, added) in [(vec![], ""), (vec![filter], "a")] {
            let plugins = filters.len() as u64 + 1;
            let text = with_log(&filters, plugin(runtime, file.clone()), &[port]);
            let server = Server::start(&text);
            let mut client = Client::http2(server.address).await;
            assert_eq!(client.get("/trailers").await.trailers["x-own"], "1");
            let ok = letter(200);
            server
                .log_with(&format!("logged: [/trailers][{added}][200][1]{ok}"))
                .await;
            let mut client = Client::http1(server.address).await;
            client.get("/direct").await;
            server.log_with(&format!("[/direct][{added}][200][]{ok}")).await;
            client.get("/dead").await;
            server
                .log_with(&format!("[/dead][{added}][503][]{}", letter(503)))
                .await;
            // Proved once, and then one for each worker.
            assert_eq!(server.stat(&format!("wasm.{runtime}.created")), 3 * plugins);
            assert_eq!(server.stat(&format!("wasm.{runtime}.active")), 2 * plugins);
            assert_eq!(server.stat("wasm.logger.crashes"), 0);
        }
    }
}

#[tokio::test]
async fn a_logger_that_crashes_harms_no_request() {
    let folder = tempfile::tempdir().unwrap();
    let file = logger(&folder);
    let text = with_log(&[], plugin(any_runtime(), file), &[]);
    let server = Server::start_with(&text, &["--concurrency", "1"]);
    let mut client = Client::http1(server.address).await;
    let answer = client.send(get_with("/direct", "x-crash", "1")).await.unwrap();
    assert_eq!((answer.status.as_u16(), answer.text()), (200, "hello"));
    server.log_with("proxy_on_log").await;
    for _ in 0..3 {
        assert_eq!(client.get("/direct").await.text(), "hello");
    }
    assert!(!server.log().contains("[/direct]"), "{}", server.log());
    until("counted", || server.stat("wasm.logger.crashes") > 0).await;
    assert_eq!(server.stat("wasm.logger.crashes"), 1);
    assert!(server.is_ready());
}

#[test]
fn one_that_cannot_start_is_refused() {
    let text = with_log(&[], plugin(any_runtime(), "none.wasm".into()), &[]);
    let ended = refused(&text);
    let expected = "access_log[0].typed_config.config: Unable to create Wasm plugin logger: ";
    assert!(
        matches!(ended.errors()[..], [error] if error.contains(expected)),
        "{}",
        ended.stderr
    );
}
