//! What plugins may learn of a configuration.

use enginebay_config::model::{Metadata, TrafficDirection};
use enginebay_config::proto::envoy::config::core::v3 as core;
use enginebay_config::{Process, load_bootstrap};
use prost::Message;

const TEXT: &str = r#"
node:
  id: node-1
  locality: {region: r, zone: z, sub_zone: s}
  user_agent_name: me
  user_agent_version: "1"
static_resources:
  listeners:
  - address: {socket_address: {address: 127.0.0.1, port_value: 0}}
    traffic_direction: OUTBOUND
    metadata: {filter_metadata: {of.listener: {k: 2}}}
    filter_chains:
    - name: chain
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: s
          route_config:
            virtual_hosts:
            - name: host
              domains: ["*"]
              metadata: {filter_metadata: {of.host: {}}}
              routes:
              - match: {prefix: "/"}
                route: {cluster: c}
                metadata: {filter_metadata: {of.route: {a: [true, null]}, b: {}}}
          http_filters:
          - name: envoy.filters.http.router
            typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}
  clusters:
  - name: c
    metadata: {filter_metadata: {of.cluster: {}}}
    load_assignment:
      cluster_name: c
      endpoints:
      - locality: {region: here}
        metadata: {filter_metadata: {of.place: {}}}
        lb_endpoints:
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 1}}}
          metadata: {filter_metadata: {of.endpoint: {}}}
        - endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: 2}}}
"#;

#[track_caller]
fn says(metadata: &Metadata, json: &str) {
    assert_eq!(metadata.filter_metadata_json, json);
    let message = core::Metadata::decode(metadata.message.as_slice()).unwrap();
    let names: Vec<_> = message.filter_metadata.keys().cloned().collect();
    assert!(names.iter().all(|name| json.contains(name)), "{names:?}");
    assert_eq!(names.is_empty(), json.is_empty());
}

#[test]
fn metadata_and_places_arrive_in_the_model() {
    let bootstrap = load_bootstrap(TEXT, "test.yaml", &Process).unwrap();
    let node = &bootstrap.node;
    assert_eq!(
        (node.user_agent_name.as_str(), node.user_agent_version.as_str()),
        ("me", "1")
    );
    let place = &node.locality;
    assert_eq!(
        (
            place.region.as_str(),
            place.zone.as_str(),
            place.sub_zone.as_str()
        ),
        ("r", "z", "s")
    );
    let message = core::Node::decode(node.message.as_slice()).unwrap();
    assert_eq!(
        (message.id.as_str(), message.locality.unwrap().zone.as_str()),
        ("node-1", "z")
    );

    let listener = &bootstrap.listeners[0];
    assert_eq!(listener.direction, TrafficDirection::Outbound);
    assert_eq!(listener.filter_chain_name, "chain");
    says(&listener.metadata, r#"{"of.listener":{"k":2}}"#);
    let host = &listener.http().unwrap().routes.virtual_hosts[0];
    says(&host.metadata, r#"{"of.host":{}}"#);
    says(
        &host.routes[0].metadata,
        r#"{"b":{},"of.route":{"a":[true,null]}}"#,
    );

    let cluster = &bootstrap.clusters[0];
    says(&cluster.metadata, r#"{"of.cluster":{}}"#);
    let [first, second] = cluster.endpoints.as_slice() else {
        panic!("{:?}", cluster.endpoints)
    };
    says(&first.metadata, r#"{"of.endpoint":{}}"#);
    says(&second.metadata, "");
    for endpoint in [first, second] {
        assert_eq!(endpoint.locality.region, "here");
        assert_eq!(endpoint.locality.message, b"\n\x04here");
        says(&endpoint.locality_metadata, r#"{"of.place":{}}"#);
    }
}
