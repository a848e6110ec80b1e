//! Plugins in front of a TCP proxy that come while the server runs.

use tokio::io::AsyncWriteExt;

use crate::config::{bootstrap, tcp_listener};
use crate::discovered::{NOBODY, asking, replace};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, until};
use crate::tcp::{connect, echo, gets, guest, marker, rest};

const WASM: &str = "envoy.extensions.filters.network.wasm.v3.Wasm";

/// A filter that is this code, in base64.
fn filter(runtime: &str, code: &str) -> String {
    format!(
        "{{\"@type\": type.googleapis.com/{WASM}, config: {{name: found, vm_config: {{runtime: {runtime}, code: {{local: \
         {{inline_bytes: \"{code}\"}}}}}}}}}}"
    )
}

fn response(version: u32, filter: &str) -> String {
    format!(
        "version_info: \"{version}\"\nresources:\n- \"@type\": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig\n  \
         name: found\n  typed_config: {filter}\n"
    )
}

/// A listener whose first filter comes from this source.
fn listener(name: &str, source: &str, more: &str) -> String {
    let found = format!(
        "    - filters:\n      - name: found\n        config_discovery: {{config_source: {source}, type_urls: [{WASM}], {more}}}\n"
    );
    tcp_listener(name, &[], &[]).replacen("    - filters:\n", &found, 1)
}

#[tokio::test]
async fn new_connections_meet_what_came_last() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.yaml");
    let port = echo().await;
    for runtime in RUNTIMES.iter().copied() {
        replace(&file, &response(1, &filter(runtime, &marker())));
        let source = format!("{{path_config_source: {{path: {file:?}}}}}");
        let server = Server::start(&bootstrap(&[listener("main", &source, "")], &[port], false));
        let mut first = connect(server.address).await;
        first.write_all(b"a").await.unwrap();
        gets(&mut first, "up:a").await;

        replace(&file, &response(2, &filter(runtime, &guest(""))));
        server.log_with("version \"2\" is served").await;
        let mut second = connect(server.address).await;
        second.write_all(b"b").await.unwrap();
        gets(&mut second, "b").await;
        // A connection stays with what it began with.
        first.write_all(b"c").await.unwrap();
        gets(&mut first, "up:c").await;

        replace(&file, &response(3, &filter(runtime, "AGFzbQEAAAA=")));
        server.log_with("Missing or unknown Proxy-Wasm ABI version").await;
        let mut third = connect(server.address).await;
        third.write_all(b"d").await.unwrap();
        gets(&mut third, "d").await;
        drop((first, second, third));
        until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 2).await;
    }
}

#[tokio::test]
async fn without_a_configuration_the_default_counts_or_connections_are_closed() {
    let default = format!("default_config: {}", filter(any_runtime(), &marker()));
    let listeners = [
        listener("with", NOBODY, &default),
        listener("without", NOBODY, ""),
    ];
    let server = Server::start(&asking(&listeners, &[echo().await]));
    let mut client = connect(server.at("with")).await;
    client.write_all(b"a").await.unwrap();
    gets(&mut client, "up:a").await;
    let mut client = connect(server.at("without")).await;
    assert_eq!(rest(&mut client).await, b"");
}
