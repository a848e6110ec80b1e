//! Other configurations, while the server runs.

use crate::client::Client;
use crate::config::{Plugin, bootstrap, config, http_listener};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, until};

/// Adds this value as `x-enginebay` to responses.
fn adder(runtime: &'static str, value: &str) -> Plugin {
    let configuration = format!("{{\"response\": {{\"x-enginebay\": \"{value}\"}}}}");
    // A test's few configurations may stay.
    Plugin::configured(runtime, "add_header", configuration.leak())
}

fn adding(runtime: &'static str, value: &str) -> String {
    config(&[adder(runtime, value)], &[], false)
}

/// A configuration that the plugin refuses.
fn bad(runtime: &'static str) -> String {
    config(
        &[Plugin::configured(runtime, "add_header", "no JSON")],
        &[],
        false,
    )
}

async fn header(client: &mut Client) -> String {
    let answer = client.get("/direct").await;
    assert_eq!(answer.status, 200);
    answer.header("x-enginebay").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn requests_of_a_connection_meet_the_configuration_of_their_time() {
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&adding(runtime, "one"));
        let mut client = Client::http1(server.address).await;
        assert_eq!(header(&mut client).await, "one");
        assert!(server.change_to(&adding(runtime, "two")).await.is_ok());
        assert_eq!(header(&mut client).await, "two");
        // The canary, and one for each worker.
        until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 2).await;
    }
}

#[tokio::test]
async fn a_bad_configuration_is_refused_and_the_old_one_stays() {
    let runtime = any_runtime();
    let server = Server::start(&adding(runtime, "one"));
    let mut client = Client::http1(server.address).await;
    let refused = [
        "static_resources: {listeners: [".to_owned(),
        "static_resources: {listener: []}".to_owned(),
        bad(runtime),
        adding(runtime, "two").replace("add_header.wasm", "nowhere.wasm"),
    ];
    for config in refused {
        assert!(server.change_to(&config).await.is_err());
        assert_eq!(header(&mut client).await, "one");
    }
    let log = server.log();
    assert!(log.contains("Failed to configure base Wasm plugin"), "{log}");
    assert!(log.contains("Invalid path"), "{log}");
    assert!(server.is_ready());
    assert!(server.change_to(&adding(runtime, "three")).await.is_ok());
    assert_eq!(header(&mut client).await, "three");
}

#[tokio::test]
async fn a_watched_file_is_read_when_it_changes() {
    let runtime = any_runtime();
    let server = Server::start_with(&adding(runtime, "one"), &["--watch"]);
    let mut client = Client::http1(server.address).await;
    server.set_config(&adding(runtime, "two"));
    server.log_with("the new configuration is served").await;
    assert_eq!(header(&mut client).await, "two");
}

#[tokio::test]
async fn a_change_that_takes_long_keeps_nobody_from_ending_the_server() {
    let runtime = any_runtime();
    // Takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = silent.local_addr().unwrap().port();
    let mut server = Server::start(&adding(runtime, "one"));
    let local = format!("local: {{filename: {:?}}}", crate::config::guest("add_header"));
    let remote = format!(
        "remote: {{sha256: \"{}\", http_uri: {{uri: \"http://code.example/p.wasm\", cluster: up, timeout: 600s}}}}",
        "0".repeat(64)
    );
    let slow = config(&[adder(runtime, "two")], &[port], false).replace(&local, &remote);
    server.set_config(&slow);
    server.hang_up();
    server.log_with("SIGHUP: reading it").await;
    assert_eq!(header(&mut Client::http1(server.address).await).await, "one");
    server.terminate();
    assert_eq!(server.ended(), Some(0));
}

#[tokio::test]
async fn listeners_come_and_go() {
    let runtime = any_runtime();
    let listener = |name: &str, value: &str| http_listener(name, &[adder(runtime, value)], &[]);
    let (a, b) = (listener("a", "a"), listener("b", "b"));
    let server = Server::start(&bootstrap(std::slice::from_ref(&a), &[], false));
    let mut first = Client::http1(server.address).await;
    assert_eq!(header(&mut first).await, "a");
    assert!(
        server
            .change_to(&bootstrap(&[a.clone(), b.clone()], &[], false))
            .await
            .is_ok()
    );
    let mut second = Client::http1(server.at("b")).await;
    assert_eq!(header(&mut second).await, "b");
    assert_eq!(header(&mut first).await, "a");
    assert!(server.change_to(&bootstrap(&[b], &[], false)).await.is_ok());
    assert_eq!(header(&mut second).await, "b");
    assert_eq!(server.admin("/listeners").1.lines().count(), 1);
    let refused = tokio::net::TcpStream::connect(server.address).await;
    assert!(refused.is_err());
}
