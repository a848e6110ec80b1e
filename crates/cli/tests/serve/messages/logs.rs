//! Lines of plugins in the log.

use super::guest::Guests;
use crate::capabilities::DENIED;
use crate::client::Client;
use crate::config::{Plugin, bootstrap, config, http_listener};
use crate::runtimes::RUNTIMES;
use crate::server::Server;

const TALKS: &str = r#"
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (call $say {{root speaks}})
        (i32.const 1))
    (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
        (call $say {{stream speaks}})
        (i32.const 0))"#;

#[tokio::test]
async fn a_line_says_who_speaks() {
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let named = Plugin {
            more: "root_id: the_root",
            vm: "vm_id: the_vm",
            ..guests.plugin(runtime, "talks", TALKS)
        };
        let bare = guests.plugin(runtime, "bare", TALKS);
        let listeners = [
            http_listener("main", &[named], &[]),
            http_listener("bare", &[bare], &[]),
        ];
        let server = Server::start(&bootstrap(&listeners, &[], false));
        Client::http1(server.address).await.get("/direct").await;
        Client::http1(server.at("bare")).await.get("/direct").await;
        for line in [
            "[info][wasm] wasm log the_root the_vm: root speaks\n",
            "[info][wasm] wasm log talks the_root the_vm: stream speaks\n",
            // Empty parts are left out.
            "[info][wasm] wasm log: root speaks\n",
            "[info][wasm] wasm log bare: stream speaks\n",
        ] {
            server.log_with(line).await;
        }
    }
}

#[tokio::test]
async fn what_is_written_to_the_output_is_a_line() {
    // Two parts in one call, then one in another.
    let writes = r#"
        (func $part (param i32 i32 i32)
            (i32.store (local.get 0) (local.get 1))
            (i32.store (i32.add (local.get 0) (i32.const 4)) (local.get 2)))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $part (i32.const 64) {{to the }})
            (call $part (i32.const 72) {{output}})
            (drop (call $write (i32.const 1) (i32.const 64) (i32.const 2) (i32.const 8)))
            (call $part (i32.const 64) {{to the error}})
            (drop (call $write (i32.const 2) (i32.const 64) (i32.const 1) (i32.const 8)))
            (i32.const 0))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(&[guests.plugin(runtime, "writes", writes)], &[], false));
        Client::http1(server.address).await.get("/direct").await;
        server
            .log_with("[info][wasm] wasm log writes: to the output\n")
            .await;
        server
            .log_with("[error][wasm] wasm log writes: to the error\n")
            .await;
    }
}

#[tokio::test]
async fn what_is_denied_is_said_and_has_a_status() {
    let tries = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $status (call $define (i32.const 0) {{a}} (i32.const 8)))
            (call $status (call $write (i32.const 1) (i32.const 64) (i32.const 0) (i32.const 8)))
            (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $say {{called all the same}})
            (i32.const 0))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let some = "capability_restriction_config: {allowed_capabilities: {proxy_log: {}, proxy_on_request_headers: {}}}";
        let plugin = Plugin {
            more: some,
            ..guests.plugin(runtime, "tries", tries)
        };
        let server = Server::start(&config(&[plugin], &[], false));
        assert_eq!(
            Client::http1(server.address).await.get("/direct").await.status,
            200
        );
        // Where WASI says so, it is `ENOTCAPABLE`.
        let log = server.log_with("wasm log tries: status 76").await;
        assert!(log.contains("wasm log tries: status 10"), "{log}");
        assert!(log.contains(&format!("{DENIED}proxy_define_metric")), "{log}");
        assert!(
            log.contains("Attempted call to restricted WASI capability: fd_write"),
            "{log}"
        );
        assert!(!log.contains("called all the same"), "{log}");
    }
}
