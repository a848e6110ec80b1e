//! Plugins whose configuration comes while the server runs.

use std::fs;
use std::path::Path;

use crate::client::Client;
use crate::config::{bootstrap, guest, http_listener};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, until};

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// A listener with a filter that is discovered.
fn listener(source: &str) -> String {
    let filter = format!(
        "          - name: found\n            config_discovery: {{config_source: {source}, type_urls: \
         [envoy.extensions.filters.http.wasm.v3.Wasm]}}\n          - name: envoy.filters.http.router\n"
    );
    http_listener("main", &[], &[]).replacen("          - name: envoy.filters.http.router\n", &filter, 1)
}

/// A response with a plugin that adds this value.
fn response(runtime: &str, version: u32, value: &str) -> String {
    let file = guest("add_header");
    format!(
        "version_info: \"{version}\"\nresources:\n- \"@type\": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig\n  \
         name: found\n  typed_config:\n    \"@type\": {WASM}\n    config:\n      name: found\n      vm_config: {{runtime: \
         {runtime}, code: {{local: {{filename: {file:?}}}}}}}\n      configuration: {{\"@type\": \
         type.googleapis.com/google.protobuf.StringValue, value: '{value}'}}\n"
    )
}

fn adding(value: &str) -> String {
    format!("{{\"response\": {{\"x-enginebay\": \"{value}\"}}}}")
}

fn replace(file: &Path, content: &str) {
    let new = file.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, file).unwrap();
}

async fn header(client: &mut Client) -> String {
    let answer = client.get("/direct").await;
    assert_eq!(answer.status, 200);
    answer.header("x-enginebay").unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_file_of_its_own_says_what_a_filter_is() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.yaml");
    for runtime in RUNTIMES.iter().copied() {
        replace(&file, &response(runtime, 1, &adding("one")));
        let source = format!("{{path_config_source: {{path: {file:?}}}}}");
        let server = Server::start(&bootstrap(&[listener(&source)], &[], false));
        let mut client = Client::http1(server.address).await;
        assert_eq!(header(&mut client).await, "one");
        replace(&file, &response(runtime, 2, &adding("two")));
        server.log_with("version \"2\" is served").await;
        assert_eq!(header(&mut client).await, "two");
        until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 2).await;
    }
}

#[tokio::test]
async fn a_bad_one_leaves_traffic_as_it_was() {
    let runtime = any_runtime();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.yaml");
    replace(&file, &response(runtime, 1, &adding("one")));
    let source = format!("{{path_config_source: {{path: {file:?}}}}}");
    let server = Server::start(&bootstrap(&[listener(&source)], &[], false));
    let mut client = Client::http1(server.address).await;
    replace(&file, &response(runtime, 2, "no JSON"));
    server.log_with("Failed to configure base Wasm plugin").await;
    assert_eq!(header(&mut client).await, "one");
    replace(&file, &response(runtime, 3, &adding("three")));
    server.log_with("version \"3\" is served").await;
    assert_eq!(header(&mut client).await, "three");
}

#[tokio::test]
async fn without_a_configuration_and_a_default_requests_get_500() {
    let source = "{initial_fetch_timeout: 0.2s, api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: \
                  [{envoy_grpc: {cluster_name: dead}}]}}";
    let config = bootstrap(&[listener(source)], &[], false);
    let server = Server::start(&format!("node: {{id: me, cluster: mine}}\n{config}"));
    let mut client = Client::http1(server.address).await;
    assert_eq!(client.get("/direct").await.status, 500);
}
