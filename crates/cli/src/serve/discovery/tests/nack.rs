//! Responses that are no good.

use std::time::Duration;

use super::control_plane::{ControlPlane, Stream};
use super::{GRPC, Server, Why, any, extension, local, resource, response, wrapped};
use crate::serve::discovery::grpc::TYPE_URL;

/// A server that has the version 1.
async fn settled(plane: &mut ControlPlane, source: &str) -> (Server, Stream) {
    let mut server = Server::start(plane.port, source, "10s");
    let mut stream = plane.stream().await;
    stream.request().await;
    stream.send(response("1", vec![resource("one", "first")]));
    server.accept().await;
    stream.request().await;
    (server, stream)
}

#[test]
fn the_version_of_a_nack_is_the_one_before() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let (mut server, mut stream) = settled(&mut plane, GRPC).await;
        stream.send(response("2", vec![resource("one", "second")]));
        server.update().await.verdict.refuse("it does not start");
        let nack = stream.request().await;
        assert_eq!(
            (nack.version_info.as_str(), nack.response_nonce.as_str()),
            ("1", "n2")
        );
        let detail = nack.error_detail.unwrap();
        assert_eq!((detail.code, detail.message.as_str()), (13, "it does not start"));
        // Sent again, it is asked about again: the reason may have passed.
        stream.send(response("3", vec![resource("one", "second")]));
        assert_eq!(server.accept().await, "second");
        let ack = stream.request().await;
        assert_eq!((ack.version_info.as_str(), ack.error_detail), ("3", None));
    });
}

#[test]
fn what_is_wrong_never_reaches_the_server() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let (mut server, mut stream) = settled(&mut plane, GRPC).await;
        let empty = any("type.googleapis.com/google.protobuf.Empty", vec![]);
        let good = || resource("one", "other");
        let cases = [
            (
                vec![good(), empty.clone()],
                "resources[1]: type.googleapis.com/google.protobuf.Empty does not match the message-wide type URL",
            ),
            (
                vec![extension("one", empty.clone())],
                "resources[0].typed_config.@type: Error: filter config has type URL google.protobuf.Empty but expect \
                 envoy.extensions.filters.http.wasm.v3.Wasm.",
            ),
            (
                vec![
                    resource("two", "x"),
                    wrapped("one", Some(resource("two", "x")), None),
                ],
                "resources[1].resource.name: Unexpected resource name in ExtensionConfigDS response: two",
            ),
            (
                vec![wrapped("one", None, None)],
                "resources[0].resource: required",
            ),
            (
                vec![wrapped("two", Some(empty.clone()), None)],
                "Unable to unpack as envoy.config.core.v3.TypedExtensionConfig",
            ),
            (
                vec![any(TYPE_URL, vec![0xff])],
                "Unable to unpack as envoy.config.core.v3.TypedExtensionConfig",
            ),
            (
                vec![any(super::RESOURCE, vec![0xff])],
                "Unable to unpack as envoy.service.discovery.v3.Resource",
            ),
            (
                vec![resource("", "x")],
                "value length must be at least 1 characters",
            ),
            (
                vec![extension("one", any(super::WASM, vec![]))],
                "resources[0].typed_config.config: required",
            ),
        ];
        for (at, (resources, expected)) in cases.into_iter().enumerate() {
            let version = format!("bad{at}");
            stream.send(response(&version, resources));
            let nack = stream.request().await;
            assert_eq!(nack.version_info, "1", "{expected}");
            assert_eq!(nack.response_nonce, format!("n{version}"));
            let detail = nack.error_detail.expect(expected);
            assert_eq!(detail.code, 13);
            assert!(
                detail.message.contains(expected),
                "{} not {expected}",
                detail.message
            );
        }
        assert!(server.is_silent(Duration::from_millis(200)).await);
    });
}

#[test]
fn other_types_are_passed_over() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let (mut server, mut stream) = settled(&mut plane, GRPC).await;
        let mut other = response("2", vec![resource("one", "second")]);
        other.type_url = "type.googleapis.com/envoy.config.cluster.v3.Cluster".to_owned();
        stream.send(other);
        assert!(stream.is_silent().await);
        assert!(server.is_silent(Duration::from_millis(100)).await);
    });
}

#[test]
fn the_text_of_a_nack_has_a_bound() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let (mut server, mut stream) = settled(&mut plane, GRPC).await;
        stream.send(response("2", vec![resource("one", "second")]));
        server.update().await.verdict.refuse("ä".repeat(3000));
        let message = stream.request().await.error_detail.unwrap().message;
        assert_eq!(message, format!("{}...(truncated)", "ä".repeat(2048)));
    });
}

#[test]
fn a_verdict_that_is_lost_is_a_refusal() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let (mut server, mut stream) = settled(&mut plane, GRPC).await;
        stream.send(response("2", vec![resource("one", "second")]));
        drop(server.update().await);
        let nack = stream.request().await;
        assert_eq!(
            (nack.version_info.as_str(), nack.error_detail.is_some()),
            ("1", true)
        );
    });
}

#[test]
fn nobody_waits_after_a_first_one_that_is_no_good() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "0s");
        let mut stream = plane.stream().await;
        stream.request().await;
        stream.send(response("1", vec![extension("one", any("x/y", vec![]))]));
        assert_eq!(server.goes_on().await, Why::Refused);
        assert_eq!(stream.request().await.version_info, "");
        // Once.
        stream.send(response("2", vec![resource("one", "a")]));
        server.update().await.verdict.refuse("no");
        assert!(stream.request().await.error_detail.is_some());
        assert!(server.is_silent(Duration::from_millis(200)).await);
    });
}

#[test]
fn nobody_waits_after_the_server_refused_the_first() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "0s");
        let stream = plane.stream().await;
        stream.send(response("1", vec![resource("one", "a")]));
        server.update().await.verdict.refuse("no");
        assert_eq!(server.goes_on().await, Why::Refused);
    });
}

#[test]
fn a_message_that_is_too_large_ends_the_stream() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let source = "api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: \
                      {cluster_name: xds, max_receive_message_length: 2000}}]}";
        let (mut server, mut stream) = settled(&mut plane, source).await;
        stream.send(response("2", vec![resource("one", &"n".repeat(2000))]));
        stream.closed().await;
        let mut stream = plane.stream().await;
        assert_eq!(stream.request().await.version_info, "1");
        stream.send(response("3", vec![resource("one", "small")]));
        assert_eq!(server.accept().await, "small");
    });
}

#[test]
fn larger_messages_than_most_are_taken() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let (mut server, stream) = settled(&mut plane, GRPC).await;
        let name = "n".repeat(8 << 20);
        stream.send(response("2", vec![resource("one", &name)]));
        assert_eq!(server.accept().await.len(), name.len());
    });
}
