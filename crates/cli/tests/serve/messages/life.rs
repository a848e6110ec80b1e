//! VMs and contexts.

use super::answers::statuses;
use super::guest::Guests;
use crate::client::Client;
use crate::config::{Plugin, config};
use crate::runtimes::RUNTIMES;
use crate::server::Server;

#[tokio::test]
async fn contexts_are_numbered_and_end_in_order() {
    let tells = r#"
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (call $status (local.get 0))
            (i32.const 1))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $status (local.get 0))
            (i32.const 0))
        (func (export "proxy_on_log") (param i32) (call $status (i32.const 50)))
        (func (export "proxy_on_done") (param i32) (result i32) (call $status (i32.const 51)) (i32.const 1))
        (func (export "proxy_on_delete") (param i32) (call $status (i32.const 52)))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start_with(
            &config(&[guests.plugin(runtime, "tells", tells)], &[], false),
            &["--concurrency", "1"],
        );
        Client::http1(server.address).await.get("/direct").await;
        // The root context speaks without a name.
        server.log_with("wasm log: status 01").await;
        assert_eq!(statuses(&server, "tells", 4).await, [2, 50, 51, 52]);
    }
}

#[tokio::test]
async fn what_is_the_same_shares_a_vm() {
    for runtime in RUNTIMES.iter().copied() {
        let one = Plugin {
            more: "root_id: one",
            vm: "vm_id: shared",
            ..Plugin::new(runtime, "add_header")
        };
        let another_root = Plugin {
            more: "root_id: another",
            ..one.clone()
        };
        let another_configuration = Plugin {
            configuration: "{}",
            ..one.clone()
        };
        let another_vm = Plugin {
            vm: "vm_id: another",
            ..one.clone()
        };
        // The VMs of two workers, and those that were made to find out whether a plugin starts.
        for (other, active, created) in [
            (one.clone(), 2, 3),
            (another_root, 2, 4),
            (another_configuration, 2, 4),
            (another_vm, 4, 6),
        ] {
            let server = Server::start(&config(&[one.clone(), other], &[], false));
            assert_eq!(server.stat(&format!("wasm.{runtime}.active")), active);
            assert_eq!(server.stat(&format!("wasm.{runtime}.created")), created);
            let answer = Client::http1(server.address).await.get("/direct").await;
            assert_eq!(answer.status, 200);
        }
    }
}
