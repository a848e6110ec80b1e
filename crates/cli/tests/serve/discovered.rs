//! Plugins whose configuration comes while the server runs.

use std::fs;
use std::path::Path;

use enginebay::config::proto::envoy::service::discovery::v3::DiscoveryResponse;
use tonic::Status;

use crate::client::Client;
use crate::config::{bootstrap, guest, http_listener};
use crate::control_plane::ControlPlane;
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, until};

pub(crate) const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// A listener `main` with a filter that is discovered.
fn listener(source: &str) -> String {
    listener_with("main", source, "")
}

/// Likewise, with this name and more fields of its `config_discovery`.
pub(crate) fn listener_with(name: &str, source: &str, more: &str) -> String {
    let filter = format!(
        "          - name: found\n            config_discovery: {{config_source: {source}, type_urls: \
         [envoy.extensions.filters.http.wasm.v3.Wasm], {more}}}\n          - name: envoy.filters.http.router\n"
    );
    http_listener(name, &[], &[]).replacen("          - name: envoy.filters.http.router\n", &filter, 1)
}

/// The filter as a plugin that has this configuration.
fn filter(runtime: &str, configuration: &str) -> String {
    let file = guest("add_header");
    format!(
        "{{\"@type\": {WASM}, config: {{name: found, vm_config: {{runtime: {runtime}, code: {{local: {{filename: \
         {file:?}}}}}}}, configuration: {{\"@type\": type.googleapis.com/google.protobuf.StringValue, value: \
         '{configuration}'}}}}}}"
    )
}

/// What the filter does without one that comes: adds this value.
pub(crate) fn default_config(runtime: &str, value: &str) -> String {
    format!("default_config: {}", filter(runtime, &adding(value)))
}

/// A response with a plugin that has this configuration.
pub(crate) fn response(runtime: &str, version: u32, configuration: &str) -> String {
    let filter = filter(runtime, configuration);
    format!(
        "version_info: \"{version}\"\nresources:\n- \"@type\": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig\n  \
         name: found\n  typed_config: {filter}\n"
    )
}

pub(crate) fn adding(value: &str) -> String {
    format!("{{\"response\": {{\"x-enginebay\": \"{value}\"}}}}")
}

pub(crate) fn replace(file: &Path, content: &str) {
    let new = file.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::rename(new, file).unwrap();
}

pub(crate) async fn header(client: &mut Client) -> String {
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

/// The same as a message, with a nonce.
pub(crate) fn message(runtime: &str, version: u32, configuration: &str) -> DiscoveryResponse {
    let text = response(runtime, version, configuration);
    let mut message = enginebay::config::read_discovery_response(&text, "a response").unwrap();
    message.type_url = "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig".to_owned();
    message.nonce = format!("nonce {version}");
    message
}

/// The control plane that the cluster `up` is.
pub(crate) const PLANE: &str = "{initial_fetch_timeout: 0s, api_config_source: {api_type: GRPC, transport_api_version: V3, \
                                grpc_services: [{envoy_grpc: {cluster_name: up}}]}}";

#[tokio::test(flavor = "multi_thread")]
async fn a_control_plane_says_what_a_filter_is() {
    let runtime = any_runtime();
    let mut plane = ControlPlane::start().await;
    let config = asking(&[listener(PLANE)], &[plane.port]);
    // It waits for the first configuration.
    let starting = tokio::task::spawn_blocking(move || Server::start(&config));
    let mut stream = plane.stream().await;
    let first = stream.request().await;
    assert_eq!(first.resource_names, ["found"]);
    assert_eq!(first.node.unwrap().id, "me");
    stream.send(message(runtime, 1, &adding("one")));
    let ack = stream.request().await;
    assert_eq!(
        (ack.version_info.as_str(), ack.response_nonce.as_str()),
        ("1", "nonce 1")
    );
    let server = starting.await.unwrap();
    let mut client = Client::http1(server.address).await;
    assert_eq!(header(&mut client).await, "one");

    // What the plugin refuses is refused, and changes nothing.
    stream.send(message(runtime, 2, "no JSON"));
    let nack = stream.request().await;
    assert_eq!(
        (nack.version_info.as_str(), nack.response_nonce.as_str()),
        ("1", "nonce 2")
    );
    let detail = nack.error_detail.unwrap().message;
    assert!(
        detail.contains("Failed to configure base Wasm plugin"),
        "{detail}"
    );
    assert_eq!(header(&mut client).await, "one");

    stream.send(message(runtime, 3, &adding("three")));
    assert_eq!(stream.request().await.version_info, "3");
    assert_eq!(header(&mut client).await, "three");

    // It comes back, and knows what it has.
    stream.close(Status::unavailable("going"));
    let mut stream = plane.stream().await;
    assert_eq!(stream.request().await.version_info, "3");
    assert_eq!(header(&mut client).await, "three");
    stream.send(message(runtime, 4, &adding("four")));
    assert_eq!(stream.request().await.version_info, "4");
    assert_eq!(header(&mut client).await, "four");
    until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 2).await;
}

/// A control plane where nobody is.
pub(crate) const NOBODY: &str = "{initial_fetch_timeout: 0.2s, api_config_source: {api_type: GRPC, transport_api_version: V3, \
                                 grpc_services: [{envoy_grpc: {cluster_name: dead}}]}}";

/// A configuration with these listeners, and a node for the control plane to know it by.
pub(crate) fn asking(listeners: &[String], upstreams: &[u16]) -> String {
    let config = bootstrap(listeners, upstreams, true);
    format!("node: {{id: me, cluster: mine}}\n{config}")
}

#[tokio::test]
async fn without_a_configuration_and_a_default_requests_get_500() {
    let server = Server::start(&asking(&[listener(NOBODY)], &[]));
    let mut client = Client::http1(server.address).await;
    assert_eq!(client.get("/direct").await.status, 500);
}

#[tokio::test]
async fn without_a_configuration_the_default_counts() {
    let default = default_config(any_runtime(), "default");
    let server = Server::start(&asking(&[listener_with("main", NOBODY, &default)], &[]));
    let mut client = Client::http1(server.address).await;
    assert_eq!(header(&mut client).await, "default");
    server.log_with("initial fetch timed out").await;
}

#[tokio::test]
async fn a_first_configuration_that_is_refused_leaves_the_default() {
    let runtime = any_runtime();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("found.yaml");
    replace(&file, &response(runtime, 1, "no JSON"));
    let source = format!("{{path_config_source: {{path: {file:?}}}}}");
    let listener = listener_with("main", &source, &default_config(runtime, "default"));
    let server = Server::start(&bootstrap(&[listener], &[], false));
    let mut client = Client::http1(server.address).await;
    assert_eq!(header(&mut client).await, "default");
    replace(&file, &response(runtime, 2, &adding("two")));
    server.log_with("version \"2\" is served").await;
    assert_eq!(header(&mut client).await, "two");
}
