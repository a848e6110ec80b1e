//! A control plane that is good, slow or away.

use std::time::{Duration, Instant};

use enginebay::config::proto::envoy::config::core::v3::node::UserAgentVersionType;
use tonic::Status;

use super::control_plane::ControlPlane;
use super::{GRPC, Server, What, Why, local, resource, response, wrapped};
use crate::serve::discovery::grpc::TYPE_URL;

#[test]
fn it_is_asked_and_told_what_was_accepted() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "10s");
        let mut stream = plane.stream().await;
        assert_eq!(stream.headers["x-authority"], "xds");
        assert!(!stream.headers.contains_key("grpc-timeout"));
        let request = stream.request().await;
        assert_eq!(request.type_url, TYPE_URL);
        assert_eq!(request.resource_names, ["one"]);
        assert_eq!(
            (request.version_info.as_str(), request.response_nonce.as_str()),
            ("", "")
        );
        let node = request.node.unwrap();
        assert_eq!((node.id.as_str(), node.cluster.as_str()), ("me", "mine"));
        assert_eq!(node.user_agent_name, "enginebay");
        let version = UserAgentVersionType::UserAgentVersion(env!("CARGO_PKG_VERSION").to_owned());
        assert_eq!(node.user_agent_version_type, Some(version));

        stream.send(response("1", vec![resource("one", "first")]));
        let update = server.update().await;
        assert_eq!(update.resource.version, "1");
        assert_eq!(update.resource.plugin.name, "first");
        assert!(stream.is_silent().await, "not before the server's verdict");
        update.verdict.accept();
        let ack = stream.request().await;
        assert_eq!(
            (ack.version_info.as_str(), ack.response_nonce.as_str()),
            ("1", "n1")
        );
        assert_eq!(ack.error_detail, None);
        assert_eq!(ack.resource_names, ["one"]);
        assert!(ack.node.is_some());

        // The same again is nothing new.
        stream.send(response("2", vec![resource("one", "first")]));
        assert_eq!(stream.request().await.version_info, "2");
        stream.send(response("3", vec![resource("one", "second")]));
        assert_eq!(server.accept().await, "second");
        assert_eq!(stream.request().await.version_info, "3");
    });
}

#[test]
fn what_the_source_says_is_heeded() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let source = "api_config_source: {api_type: GRPC, transport_api_version: V3, set_node_on_first_message_only: true, \
                      grpc_services: [{timeout: 0.3s, initial_metadata: [{key: X-Token, value: secret}], envoy_grpc: \
                      {cluster_name: xds, authority: planes.example}}]}";
        let mut server = Server::start(plane.port, source, "10s");
        let mut stream = plane.stream().await;
        assert_eq!(stream.headers["x-authority"], "planes.example");
        assert_eq!(stream.headers["x-token"], "secret");
        assert!(stream.request().await.node.is_some());
        // As in Envoy, the timeout is none of the stream's.
        tokio::time::sleep(Duration::from_millis(500)).await;
        stream.send(response("1", vec![resource("one", "first")]));
        server.accept().await;
        assert_eq!(stream.request().await.node, None);
    });
}

#[test]
fn each_filter_has_a_stream() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start_all(plane.port, GRPC, "10s", 2);
        let mut streams = Vec::new();
        for _ in 0..2 {
            let mut stream = plane.stream().await;
            let mut names = stream.request().await.resource_names;
            streams.push((names.remove(0), stream));
        }
        streams.sort_by(|one, other| one.0.cmp(&other.0));
        let [(one, first), (two, second)] = streams.as_mut_slice() else {
            panic!("two streams");
        };
        assert_eq!((one.as_str(), two.as_str()), ("one", "two"));
        // Both get all there is, and take what is theirs.
        let all = vec![resource("two", "b"), resource("other", "c"), resource("one", "a")];
        first.send(response("1", all.clone()));
        let event = server.event().await;
        assert_eq!(
            (
                event.subscription.name.as_str(),
                event.subscription.filters.as_slice()
            ),
            ("one", &[0, 2][..])
        );
        let What::Update(update) = event.what else {
            panic!("an update")
        };
        assert_eq!(update.resource.plugin.name, "a");
        // One that takes long holds up no other.
        second.send(response("1", all));
        assert_eq!(server.accept().await, "b");
        assert_eq!(second.request().await.version_info, "1");
        update.verdict.refuse("not this one");
        let nack = first.request().await;
        assert_eq!(
            (
                nack.version_info.as_str(),
                nack.error_detail.unwrap().message.as_str()
            ),
            ("", "not this one")
        );
    });
}

#[test]
fn what_is_left_out_stays() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "10s");
        let mut stream = plane.stream().await;
        stream.request().await;
        stream.send(response("1", vec![resource("one", "first")]));
        server.accept().await;
        stream.request().await;
        for (version, resources) in [("2", vec![]), ("3", vec![resource("other", "x")])] {
            stream.send(response(version, resources));
            let ack = stream.request().await;
            assert_eq!((ack.version_info.as_str(), ack.error_detail), (version, None));
        }
        assert!(server.is_silent(Duration::from_millis(200)).await);
        // The first of several is taken.
        stream.send(response(
            "4",
            vec![resource("one", "second"), resource("one", "third")],
        ));
        assert_eq!(server.accept().await, "second");
    });
}

#[test]
fn a_resource_is_removed_when_its_time_is_over() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "10s");
        let mut stream = plane.stream().await;
        stream.request().await;
        let begin = Instant::now();
        stream.send(response(
            "1",
            vec![wrapped("one", Some(resource("one", "first")), Some(2))],
        ));
        assert_eq!(server.accept().await, "first");
        stream.request().await;
        // It is good for longer.
        tokio::time::sleep(Duration::from_secs(1)).await;
        stream.send(response("1", vec![wrapped("one", None, Some(2))]));
        assert_eq!(stream.request().await.error_detail, None);
        let event = server.event().await;
        assert!(matches!(event.what, What::Removed));
        assert!(begin.elapsed() >= Duration::from_secs(3), "{:?}", begin.elapsed());
        // What is gone is new when it comes again, and without a time it stays.
        stream.send(response(
            "2",
            vec![wrapped("one", Some(resource("one", "first")), None)],
        ));
        assert_eq!(server.accept().await, "first");
        assert!(server.is_silent(Duration::from_millis(300)).await);
    });
}

#[test]
fn a_resource_can_outlive_its_stream_for_its_time_only() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "10s");
        let mut stream = plane.stream().await;
        stream.request().await;
        stream.send(response(
            "1",
            vec![wrapped("one", Some(resource("one", "first")), Some(1))],
        ));
        server.accept().await;
        plane.stop().await;
        assert!(matches!(server.event().await.what, What::Removed));
    });
}

#[test]
fn a_stream_that_ends_is_opened_again_with_the_version() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "10s");
        let mut stream = plane.stream().await;
        stream.request().await;
        stream.send(response("1", vec![resource("one", "first")]));
        server.accept().await;
        stream.request().await;
        stream.send(response("2", vec![resource("one", "second")]));
        server.update().await.verdict.refuse("no");
        stream.request().await;
        stream.close(Status::unavailable("go away"));
        let mut stream = plane.stream().await;
        let request = stream.request().await;
        assert_eq!(
            (request.version_info.as_str(), request.response_nonce.as_str()),
            ("1", "")
        );
        assert_eq!(request.error_detail, None);
        assert!(request.node.is_some());
        stream.send(response("3", vec![resource("one", "third")]));
        assert_eq!(server.accept().await, "third");
        stream.request().await;

        // Away with its connections, for some attempts, and there again.
        let port = plane.port;
        plane.stop().await;
        tokio::time::sleep(Duration::from_millis(700)).await;
        let mut plane = ControlPlane::on(port).await;
        let mut stream = plane.stream().await;
        assert_eq!(stream.request().await.version_info, "3");
        stream.send(response("4", vec![resource("one", "fourth")]));
        assert_eq!(server.accept().await, "fourth");
    });
}

#[test]
fn a_verdict_is_kept_when_the_stream_ended_before() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "10s");
        let mut stream = plane.stream().await;
        stream.request().await;
        stream.send(response("1", vec![resource("one", "first")]));
        let update = server.update().await;
        stream.close(Status::unavailable("go away"));
        update.verdict.accept();
        let mut stream = plane.stream().await;
        assert_eq!(stream.request().await.version_info, "1");
    });
}

#[test]
fn nobody_waits_longer_than_the_initial_fetch_timeout() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "0.3s");
        let mut stream = plane.stream().await;
        stream.request().await;
        // An answer without the resource is none.
        stream.send(response("1", vec![]));
        assert_eq!(server.goes_on().await, Why::TimedOut);
        assert!(server.is_silent(Duration::from_millis(500)).await, "told once");
        stream.send(response("2", vec![resource("one", "late")]));
        assert_eq!(server.accept().await, "late");
    });
}

#[test]
fn nobody_waits_for_a_control_plane_that_is_away() {
    local(async {
        let plane = ControlPlane::start().await;
        let port = plane.port;
        plane.stop().await;
        let mut server = Server::start(port, GRPC, "0.3s");
        assert_eq!(server.goes_on().await, Why::TimedOut);
    });
}

#[test]
fn the_time_for_the_first_is_not_the_time_to_judge_it() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let mut server = Server::start(plane.port, GRPC, "0.5s");
        let stream = plane.stream().await;
        stream.send(response("1", vec![resource("one", "first")]));
        let update = server.update().await;
        assert!(server.is_silent(Duration::from_millis(800)).await);
        update.verdict.accept();
        assert!(server.is_silent(Duration::from_millis(200)).await);
    });
}

#[test]
fn it_ends_when_nobody_listens() {
    local(async {
        let mut plane = ControlPlane::start().await;
        let server = Server::start(plane.port, GRPC, "10s");
        let mut stream = plane.stream().await;
        stream.request().await;
        drop(server);
        stream.closed().await;
    });
}
