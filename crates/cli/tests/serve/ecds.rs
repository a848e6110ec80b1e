//! A control plane in another process: what it changes, how it is refused, what goes, and that it may die.

use std::time::{Duration, Instant};

use enginebay::config::proto::envoy::service::discovery::v3::{DiscoveryResponse, Resource};
use prost::Message;
use prost_types::Any;

use crate::client::Client;
use crate::discovered::{PLANE, adding, asking, default_config, header, listener_with, message};
use crate::plane_process::PlaneProcess;
use crate::runtimes::any_runtime;
use crate::server::{Server, until};

const LONG: Duration = Duration::from_secs(60);

/// Starts a server that waits for what it is told first.
async fn start(config: String, plane: &mut PlaneProcess, first: &DiscoveryResponse) -> Server {
    let starting = tokio::task::spawn_blocking(move || Server::start(&config));
    let asked = plane.request();
    assert_eq!(asked.resource_names, ["found"]);
    assert_eq!(
        (asked.version_info.as_str(), asked.node.unwrap().id.as_str()),
        ("", "me")
    );
    assert_eq!(plane.say(first).error_detail, None);
    starting.await.unwrap()
}

/// The same, without what it is about.
fn without_resources(mut response: DiscoveryResponse) -> DiscoveryResponse {
    response.resources.clear();
    response
}

/// The same, good for so long.
fn with_ttl(mut response: DiscoveryResponse, ttl: Duration) -> DiscoveryResponse {
    for resource in &mut response.resources {
        let wrapper = Resource {
            name: "found".to_owned(),
            ttl: Some(ttl.try_into().unwrap()),
            resource: Some(resource.clone()),
            ..Resource::default()
        };
        *resource = Any {
            type_url: "type.googleapis.com/envoy.service.discovery.v3.Resource".to_owned(),
            value: wrapper.encode_to_vec(),
        };
    }
    response
}

#[tokio::test]
async fn a_control_plane_that_is_killed_is_asked_again_when_it_is_back() {
    let runtime = any_runtime();
    let mut plane = PlaneProcess::start(0);
    let config = asking(&[listener_with("main", PLANE, "")], &[plane.port]);
    let server = start(config, &mut plane, &message(runtime, 1, &adding("one"))).await;
    let mut client = Client::http1(server.address).await;
    assert_eq!(header(&mut client).await, "one");

    let ack = plane.say(&message(runtime, 2, &adding("two")));
    assert_eq!((ack.version_info.as_str(), ack.error_detail), ("2", None));
    assert_eq!(header(&mut client).await, "two");

    let nack = plane.say(&message(runtime, 3, "no JSON"));
    assert_eq!(nack.version_info, "2");
    let why = nack.error_detail.unwrap().message;
    assert!(why.contains("Failed to configure base Wasm plugin"), "{why}");
    assert_eq!(header(&mut client).await, "two");

    let port = plane.port;
    drop(plane);
    assert_eq!(header(&mut client).await, "two");
    let mut plane = PlaneProcess::start(port);
    let asked = plane.request();
    assert_eq!(
        (asked.version_info.as_str(), asked.response_nonce.as_str()),
        ("2", "")
    );
    assert_eq!(header(&mut client).await, "two");
    assert_eq!(plane.say(&message(runtime, 4, &adding("four"))).version_info, "4");
    assert_eq!(header(&mut client).await, "four");
    until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 2).await;
}

/// As in Envoy: only the end of its time removes a resource from the state of the world.
#[tokio::test]
async fn a_resource_that_is_left_out_stays_and_one_whose_time_is_over_goes() {
    let runtime = any_runtime();
    let mut plane = PlaneProcess::start(0);
    let listeners = [
        listener_with("main", PLANE, &default_config(runtime, "default")),
        listener_with("bare", PLANE, ""),
    ];
    let config = asking(&listeners, &[plane.port]);
    let server = start(config, &mut plane, &message(runtime, 1, &adding("one"))).await;
    let mut client = Client::http1(server.address).await;
    let mut bare = Client::http1(server.at("bare")).await;

    let ack = plane.say(&without_resources(message(runtime, 2, "")));
    assert_eq!((ack.version_info.as_str(), ack.error_detail), ("2", None));
    assert_eq!(header(&mut client).await, "one");
    assert_eq!(header(&mut bare).await, "one");

    let started = Instant::now();
    let short = with_ttl(message(runtime, 3, &adding("three")), Duration::from_secs(1));
    assert_eq!(plane.say(&short).version_info, "3");
    server
        .log_with("Removing filter config found: its ttl is over")
        .await;
    // Its time ends for one worker after the other.
    while header(&mut client).await != "default" || bare.get("/direct").await.status != 500 {
        assert!(started.elapsed() < LONG);
    }
    until("forgotten", || !server.admin("/config_dump").1.contains("three")).await;

    assert_eq!(plane.say(&message(runtime, 4, &adding("four"))).version_info, "4");
    assert_eq!(header(&mut client).await, "four");
    assert_eq!(header(&mut bare).await, "four");
    until("gone", || server.stat(&format!("wasm.{runtime}.active")) == 2).await;
}

#[tokio::test]
async fn with_a_default_nobody_has_to_wait_for_the_control_plane() {
    let runtime = any_runtime();
    let mut plane = PlaneProcess::start(0);
    let default = default_config(runtime, "default");
    let at_once = format!("apply_default_config_without_warming: true, {default}");
    // It has as much time as it likes, and takes it.
    let server = Server::start(&asking(&[listener_with("main", PLANE, &at_once)], &[plane.port]));
    let mut client = Client::http1(server.address).await;
    assert_eq!(header(&mut client).await, "default");
    assert_eq!(plane.request().version_info, "");
    assert_eq!(header(&mut client).await, "default");
    assert_eq!(plane.say(&message(runtime, 1, &adding("one"))).version_info, "1");
    assert_eq!(header(&mut client).await, "one");
}
