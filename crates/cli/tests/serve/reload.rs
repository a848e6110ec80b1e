//! Plugins that are started anew after a failure (`FAIL_RELOAD`).

use std::time::Duration;

use crate::client::Client;
use crate::config::{Plugin, config};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::Server;

const RELOAD: &str = "failure_policy: FAIL_RELOAD, reload_config: {backoff: {base_interval: 0.3s}}";

fn crashing(runtime: &'static str) -> String {
    let plugin = Plugin {
        more: RELOAD,
        ..Plugin::new(runtime, "crash")
    };
    config(&[plugin], &[], false)
}

async fn crash(client: &mut Client) -> u16 {
    let answer = client.get_with("/direct", "x-crash", "request_headers").await;
    answer.status.as_u16()
}

#[tokio::test]
async fn a_crash_is_503_until_the_back_off_is_over() {
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start_with(&crashing(runtime), &["--concurrency", "1"]);
        let mut client = Client::http1(server.address).await;
        assert_eq!(client.get("/direct").await.status, 200);
        for round in 1..3 {
            assert_eq!(crash(&mut client).await, 503);
            assert_eq!(client.get("/direct").await.status, 503);
            tokio::time::sleep(Duration::from_millis(350)).await;
            assert_eq!(client.get("/direct").await.status, 200);
            assert_eq!(server.stat("wasm.crash.vm_reload_success"), round);
        }
        assert_eq!(server.stat("wasm.crash.vm_reload_backoff"), 2);
        assert_eq!(server.stat("wasm.crash.vm_reload_failure"), 0);
        assert_eq!(server.stat("wasm.crash.crashes"), 2);
        assert_eq!(server.stat(&format!("wasm.{runtime}.active")), 1);
    }
}

#[tokio::test]
async fn many_crashes_on_many_threads_leave_nothing_behind() {
    const REQUESTS: usize = 10_000;
    let plugin = Plugin {
        more: "failure_policy: FAIL_RELOAD, reload_config: {backoff: {base_interval: 0.02s}}",
        ..Plugin::new(any_runtime(), "crash")
    };
    let server = Server::start_with(&config(&[plugin], &[], false), &["--concurrency", "4"]);
    let clients = (0..8).map(|number| {
        let address = server.address;
        tokio::spawn(async move {
            let mut client = Client::http1(address).await;
            let (mut fine, mut failed) = (0, 0);
            for request in 0..REQUESTS / 8 {
                let status = match (request + 13 * number) % 100 {
                    0 => crash(&mut client).await,
                    _ => client.get("/direct").await.status.as_u16(),
                };
                match status {
                    200 => fine += 1,
                    503 => failed += 1,
                    other => panic!("{other}"),
                }
            }
            (fine, failed)
        })
    });
    let clients: Vec<_> = clients.collect();
    let (mut fine, mut failed) = (0, 0);
    for client in clients {
        let (of_fine, of_failed) = client.await.unwrap();
        fine += of_fine;
        failed += of_failed;
    }
    assert_eq!(fine + failed, REQUESTS);
    assert!(fine > 0 && failed > 0, "{fine} {failed}");
    let reloads = server.stat("wasm.crash.vm_reload_success");
    let crashes = server.stat("wasm.crash.crashes");
    assert!(reloads > 0 && reloads <= crashes, "{reloads} {crashes}");
    assert!(crashes <= 100, "{crashes}");
    let active = server.stat(&format!("wasm.{}.active", any_runtime()));
    assert_eq!(active, 4);
    assert!(server.is_ready());
}
