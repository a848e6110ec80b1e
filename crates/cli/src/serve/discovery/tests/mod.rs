//! Configurations that come, over loopback sockets and from files.

mod control_plane;
mod file;
mod grpc;
mod lines;
mod nack;
mod watch;

use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay::config::model::Bootstrap;
use enginebay::config::proto::envoy::config::core::v3::TypedExtensionConfig;
use enginebay::config::proto::envoy::extensions::filters::http::wasm::v3::Wasm;
use enginebay::config::proto::envoy::service::discovery::v3::{DiscoveryResponse, Resource};
use enginebay::config::{Process, load_bootstrap, read_plugin_config};
use prost::Message;
use prost_types::Any;
use tokio::sync::mpsc;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::timeout;

use super::grpc::TYPE_URL;
use super::{Event, Setting, Subscription, Update, What, Why, run, subscriptions};
use crate::serve::callouts::ClusterUpstreams;
use crate::serve::upstream::{Cluster, Clusters};
use crate::serve::worker::Clock;

const WASM: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";
const RESOURCE: &str = "type.googleapis.com/envoy.service.discovery.v3.Resource";

/// Runs a test as a worker runs.
fn local(test: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, test);
}

/// A server with a filter `one` of this `config_source`.
fn bootstrap(port: u16, source: &str, timeout: &str) -> Bootstrap {
    let discovery =
        format!("{{type_urls: [{WASM}], config_source: {{initial_fetch_timeout: {timeout}, {source}}}}}");
    let hcm = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let router = "x/envoy.extensions.filters.http.router.v3.Router";
    let text = format!(
        r"
node: {{id: me, cluster: mine}}
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: h
        typed_config:
          '@type': x/{hcm}
          stat_prefix: s
          route_config: {{}}
          http_filters:
          - {{name: one, config_discovery: {discovery}}}
          - {{name: two, config_discovery: {discovery}}}
          - {{name: one, config_discovery: {discovery}}}
          - {{name: r, typed_config: {{'@type': {router}}}}}
  clusters:
  - name: xds
    http2_protocol_options: {{}}
    load_assignment: {{cluster_name: xds, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}
"
    );
    load_bootstrap(&text, "test", &Process).unwrap()
}

fn all_subscriptions(bootstrap: &Bootstrap) -> Vec<Arc<Subscription>> {
    let filters = bootstrap.discoveries();
    subscriptions(filters.map(|(_, filter, discovery)| (filter.name.as_str(), discovery)))
}

/// What a server hears.
struct Server(mpsc::Receiver<Event>);

impl Server {
    /// Asks for the configuration of the filter `one`.
    fn start(port: u16, source: &str, timeout: &str) -> Self {
        Self::start_all(port, source, timeout, 1)
    }

    /// Asks for those of the first filters.
    fn start_all(port: u16, source: &str, timeout: &str, count: usize) -> Self {
        let bootstrap = bootstrap(port, source, timeout);
        let subscriptions = all_subscriptions(&bootstrap);
        let clock = Rc::new(Clock::default());
        let cluster = Cluster::new(bootstrap.clusters[0].clone(), None, clock, 0);
        let upstreams = ClusterUpstreams::default();
        upstreams.set(Rc::new(Clusters::new(vec![cluster])));
        let setting = Rc::new(Setting {
            node: bootstrap.node,
            clusters: bootstrap.clusters,
            outside: Box::new(Process),
            upstreams: Rc::new(upstreams),
        });
        let (events, receiver) = mpsc::channel(4);
        for subscription in subscriptions.into_iter().take(count) {
            spawn_local(run(subscription, setting.clone(), events.clone()));
        }
        Server(receiver)
    }

    async fn event(&mut self) -> Event {
        timeout(Duration::from_secs(20), self.0.recv())
            .await
            .unwrap()
            .unwrap()
    }

    async fn update(&mut self) -> Update {
        match self.event().await.what {
            What::Update(update) => update,
            What::Removed => panic!("removed"),
            What::GoOn(why) => panic!("go on: {why:?}"),
        }
    }

    /// Accepts the next configuration, and gives the plugin's name.
    async fn accept(&mut self) -> String {
        let update = self.update().await;
        update.verdict.accept();
        update.resource.plugin.name.clone()
    }

    async fn goes_on(&mut self) -> Why {
        match self.event().await.what {
            What::GoOn(why) => why,
            What::Removed => panic!("removed"),
            What::Update(update) => panic!("{:?}", update.resource),
        }
    }

    async fn is_silent(&mut self, time: Duration) -> bool {
        timeout(time, self.0.recv()).await.is_err()
    }
}

const GRPC: &str = "api_config_source: {api_type: GRPC, transport_api_version: V3, grpc_services: [{envoy_grpc: {cluster_name: xds}}]}";

fn any(type_url: &str, value: Vec<u8>) -> Any {
    Any {
        type_url: type_url.to_owned(),
        value,
    }
}

fn wasm(plugin: &str) -> Any {
    let text = format!(
        "{{name: {plugin}, vm_config: {{runtime: envoy.wasm.runtime.null, code: {{local: {{inline_string: c}}}}}}}}"
    );
    let wasm = Wasm {
        config: Some(read_plugin_config(&text, "test").unwrap()),
    };
    any(WASM, wasm.encode_to_vec())
}

/// A resource with that name and configuration.
fn extension(name: &str, config: Any) -> Any {
    let extension = TypedExtensionConfig {
        name: name.to_owned(),
        typed_config: Some(config),
    };
    any(TYPE_URL, extension.encode_to_vec())
}

/// A resource of the filter that is this plugin.
fn resource(filter: &str, plugin: &str) -> Any {
    extension(filter, wasm(plugin))
}

fn wrapped(name: &str, resource: Option<Any>, ttl: Option<i64>) -> Any {
    let resource = Resource {
        name: name.to_owned(),
        resource,
        ttl: ttl.map(|seconds| prost_types::Duration { seconds, nanos: 0 }),
        ..Resource::default()
    };
    any(RESOURCE, resource.encode_to_vec())
}

fn response(version: &str, resources: Vec<Any>) -> DiscoveryResponse {
    DiscoveryResponse {
        version_info: version.to_owned(),
        nonce: format!("n{version}"),
        type_url: TYPE_URL.to_owned(),
        resources,
        ..DiscoveryResponse::default()
    }
}

#[test]
fn filters_of_one_name_and_source_share_a_subscription() {
    let bootstrap = bootstrap(1, GRPC, "1s");
    let subscriptions = all_subscriptions(&bootstrap);
    let seen: Vec<_> = subscriptions
        .iter()
        .map(|one| (one.name.as_str(), one.filters.as_slice()))
        .collect();
    assert_eq!(seen, [("one", &[0, 2][..]), ("two", &[1][..])]);
}
