//! Filters whose configuration comes later.

mod common;

use std::time::Duration;

use common::{Fixed, bootstrap_problems};
use enginebay_config::model::{Bootstrap, ConfigSource, Discovery, FailurePolicy, Plugin, WasmFilter};
use enginebay_config::proto::envoy::config::core::v3::TypedExtensionConfig;
use enginebay_config::proto::envoy::extensions::filters::http::wasm::v3::Wasm;
use enginebay_config::proto::envoy::service::discovery::v3::{DiscoveryResponse, Resource};
use enginebay_config::{ConfigError, load_bootstrap, read_discovery_response, read_plugin_config};
use prost::Message;
use prost_types::Any;

const HTTP_TYPE: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
const TCP_TYPE: &str = "envoy.extensions.filters.network.wasm.v3.Wasm";
const CONFIG: &str = "config: {name: p, vm_config: {runtime: r, code: {local: {inline_string: c}}}}";
const FILE: &str = "config_source: {path_config_source: {path: ecds.yaml}}";
const HTTP_PATH: &str =
    "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].config_discovery";
const TCP_PATH: &str = "static_resources.listeners[0].filter_chains[0].filters[0].config_discovery";

/// A bootstrap whose listener has these filters.
fn bootstrap(filters: &str) -> String {
    format!(
        "node: {{id: one, cluster: one}}\nstatic_resources: {{clusters: [{{name: xds}}], listeners: [{{address: \
         {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}, filter_chains: [{{filters: [{filters}]}}]}}]}}"
    )
}

/// One whose HTTP filter `w` is discovered, as `discovery` says.
fn http(discovery: &str) -> String {
    let manager = "envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let router = "{name: r, typed_config: {'@type': x/envoy.extensions.filters.http.router.v3.Router}}";
    bootstrap(&format!(
        "{{name: h, typed_config: {{'@type': x/{manager}, stat_prefix: s, route_config: {{}}, http_filters: [{{name: w, \
         config_discovery: {{{discovery}}}}}, {router}]}}}}"
    ))
}

/// One whose network filter `w` is discovered, as `discovery` says.
fn tcp(discovery: &str) -> String {
    bootstrap(&format!(
        "{{name: w, config_discovery: {{{discovery}}}}}, {{name: t, typed_config: {{'@type': \
         x/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: s, cluster: xds}}}}"
    ))
}

fn load(text: &str) -> Bootstrap {
    load_bootstrap(text, "envoy.yaml", &Fixed).unwrap()
}

fn filter(text: &str) -> WasmFilter {
    load(text).listeners.remove(0).filters()[0].clone()
}

fn discovery(text: &str) -> Discovery {
    filter(text).discovery().unwrap().clone()
}

#[test]
fn a_discovered_http_filter() {
    let text = http(&format!(
        "{FILE}, type_urls: [type.googleapis.com/{HTTP_TYPE}], default_config: {{'@type': x/{HTTP_TYPE}, {CONFIG}}}, \
         apply_default_config_without_warming: true"
    ));
    let filter = filter(&text);
    assert_eq!((filter.name.as_str(), filter.path.as_str()), ("w", HTTP_PATH));
    assert_eq!(filter.plugin(), None);
    assert_eq!(filter.initial_plugin().unwrap().name, "p");
    let discovery = filter.discovery().unwrap();
    assert_eq!(discovery.type_names, [HTTP_TYPE]);
    assert!(discovery.default_without_warming);
    assert_eq!(discovery.initial_fetch_timeout, Some(Duration::from_secs(15)));
    let default = discovery.default.as_ref().unwrap();
    assert_eq!(default.path, format!("{HTTP_PATH}.default_config.config"));
    let bootstrap = load(&text);
    let plugins: Vec<(&str, &Plugin)> = bootstrap.plugins().collect();
    assert_eq!(plugins, [(default.path.as_str(), &default.plugin)]);
    assert_eq!(bootstrap.discoveries().count(), 1);
}

#[test]
fn a_discovered_network_filter() {
    let text = tcp(&format!("{FILE}, type_urls: [{TCP_TYPE}]"));
    let filter = filter(&text);
    assert_eq!((filter.name.as_str(), filter.path.as_str()), ("w", TCP_PATH));
    assert_eq!(filter.initial_plugin(), None);
    let bootstrap = load(&text);
    assert_eq!(
        (bootstrap.plugins().count(), bootstrap.discoveries().count()),
        (0, 1)
    );
}

#[test]
fn a_disabled_filter_is_not_discovered() {
    let text =
        http(&format!("{FILE}, type_urls: [{HTTP_TYPE}]")).replace("name: w,", "name: w, disabled: true,");
    assert_eq!(load(&text).listeners[0].filters(), []);
}

#[test]
fn files_as_sources() {
    let file = |source: &str| {
        let text = http(&format!("config_source: {{{source}}}, type_urls: [{HTTP_TYPE}]"));
        match discovery(&text).source {
            ConfigSource::File(file) => file,
            other => panic!("{other:?}"),
        }
    };
    let plain = file("path_config_source: {path: a.yaml}");
    assert_eq!(plain.path.to_str(), Some("a.yaml"));
    assert_eq!(
        (
            plain.watched_directory.clone(),
            plain.watch_modify,
            plain.poll_interval
        ),
        (None, false, None)
    );
    assert_eq!(file("path: a.yaml"), plain);
    let watched = file("path_config_source: {path: a, watched_directory: {path: d, watch_modify: true}}");
    assert_eq!(
        (watched.watched_directory, watched.watch_modify),
        (Some("d".into()), true)
    );
    let polled = file("path_config_source: {path: a, poll_interval: 2s}");
    assert_eq!(polled.poll_interval, Some(Duration::from_secs(2)));
}

#[test]
fn servers_as_sources() {
    let grpc = |api: &str| {
        let source = format!("api_config_source: {{api_type: GRPC, transport_api_version: V3, {api}}}");
        let text = http(&format!("config_source: {{{source}}}, type_urls: [{HTTP_TYPE}]"));
        match discovery(&text).source {
            ConfigSource::Grpc(grpc) => grpc,
            other => panic!("{other:?}"),
        }
    };
    let plain = grpc("grpc_services: [{envoy_grpc: {cluster_name: xds}}]");
    assert_eq!((plain.cluster.as_str(), plain.authority.as_str()), ("xds", "xds"));
    assert_eq!((plain.timeout, plain.max_receive_message_length), (None, None));
    let none = grpc("grpc_services: [{envoy_grpc: {cluster_name: xds, max_receive_message_length: 0}}]");
    assert_eq!(none, plain);
    assert!(plain.initial_metadata.is_empty() && !plain.node_on_first_message_only);
    let full = grpc(
        "set_node_on_first_message_only: true, grpc_services: [{timeout: 3s, initial_metadata: [{key: X-Key, value: v}, \
         {key: x-bin, raw_value: '/w=='}], envoy_grpc: {cluster_name: xds, authority: a.example, \
         max_receive_message_length: 1000, skip_envoy_headers: true}}]",
    );
    assert_eq!(full.authority, "a.example");
    assert_eq!(full.timeout, Some(Duration::from_secs(3)));
    assert_eq!(full.max_receive_message_length, Some(1000));
    let headers = [
        ("x-key".to_owned(), b"v".to_vec()),
        ("x-bin".to_owned(), vec![255]),
    ];
    assert_eq!(full.initial_metadata, headers);
    assert!(full.node_on_first_message_only);
    assert_eq!(
        grpc("grpc_services: [{timeout: 0s, envoy_grpc: {cluster_name: xds}}]").timeout,
        None
    );
}

#[test]
fn how_long_the_first_resource_is_waited_for() {
    for (given, expected) in [
        ("", Some(15)),
        ("initial_fetch_timeout: 2s", Some(2)),
        ("initial_fetch_timeout: 0s", None),
    ] {
        let text = http(&format!(
            "config_source: {{path: a, {given}}}, type_urls: [{HTTP_TYPE}]"
        ));
        assert_eq!(
            discovery(&text).initial_fetch_timeout,
            expected.map(Duration::from_secs),
            "{given}"
        );
    }
}

#[test]
fn discoveries_that_are_refused() {
    let types = format!("type_urls: [{HTTP_TYPE}]");
    for (text, expected) in [
        (types.clone(), "config_source: required".to_owned()),
        (FILE.to_owned(), "type_urls: required".to_owned()),
        (
            format!("{FILE}, type_urls: [x/{TCP_TYPE}]"),
            format!("type_urls: none of them is supported here; supported: {HTTP_TYPE}"),
        ),
        (
            format!("{FILE}, {types}, apply_default_config_without_warming: true"),
            "apply_default_config_without_warming: Error: filter config w applied without warming but has no default \
             config."
                .to_owned(),
        ),
        (
            format!("{FILE}, {types}, default_config: {{'@type': x/{TCP_TYPE}, {CONFIG}}}"),
            format!("default_config.@type: Error: filter config has type URL {TCP_TYPE} but expect {HTTP_TYPE}."),
        ),
        (
            format!("{FILE}, {types}, default_config: {{'@type': x/{HTTP_TYPE}}}"),
            "default_config.config: required".to_owned(),
        ),
    ] {
        assert_eq!(bootstrap_problems(&http(&text)), [format!("{HTTP_PATH}.{expected}")], "{text}");
    }
}

#[test]
fn sources_that_are_refused() {
    let file = |rest: &str| format!("path_config_source: {{{rest}}}");
    let api = |rest: &str| {
        format!(
            "api_config_source: {{api_type: GRPC, {rest}, grpc_services: [{{envoy_grpc: {{cluster_name: xds}}}}]}}"
        )
    };
    let service = |rest: &str| format!("api_config_source: {{api_type: GRPC, grpc_services: [{{{rest}}}]}}");
    for (source, expected) in [
        (
            String::new(),
            ": one of path_config_source, api_config_source is required",
        ),
        (
            "ads: {}".to_owned(),
            ".ads: not supported: there is no aggregated stream here; use api_config_source",
        ),
        (
            "self: {}".to_owned(),
            ".self: not supported: this configuration comes from no server; use api_config_source",
        ),
        (
            "path: a, authorities: [{name: b}]".to_owned(),
            ".authorities: not supported",
        ),
        (
            "path: a, resource_api_version: V2".to_owned(),
            ".resource_api_version: V2 is not supported; supported: V3",
        ),
        (
            "path: a, initial_fetch_timeout: -1s".to_owned(),
            ".initial_fetch_timeout: must not be negative",
        ),
        ("path: ''".to_owned(), ".path: required"),
        (file(""), ".path_config_source.path: required"),
        (
            file("path: a, watched_directory: {}"),
            ".path_config_source.watched_directory.path: required",
        ),
        (
            file("path: a, poll_interval: 0s"),
            ".path_config_source.poll_interval: must be at least 0.001s",
        ),
        (
            file("path: a, poll_interval: 1s, watched_directory: {path: d}"),
            ".path_config_source.poll_interval: PathConfigSource poll_interval and watched_directory cannot both be set",
        ),
        (
            api("transport_api_version: V2"),
            ".api_config_source.transport_api_version: V2 is not supported; supported: V3",
        ),
        (
            api("cluster_names: [xds]"),
            ".api_config_source.cluster_names: for REST, which is not supported",
        ),
        (
            api("refresh_delay: 1s"),
            ".api_config_source.refresh_delay: for REST, which is not supported",
        ),
        (
            api("request_timeout: 1s"),
            ".api_config_source.request_timeout: for REST, which is not supported",
        ),
        (
            api("rate_limit_settings: {}"),
            ".api_config_source.rate_limit_settings: not supported",
        ),
        (
            api("config_validators: [{name: a}]"),
            ".api_config_source.config_validators: not supported",
        ),
        (
            "api_config_source: {grpc_services: [{envoy_grpc: {cluster_name: xds}}]}".to_owned(),
            ".api_config_source.api_type: DEPRECATED_AND_UNAVAILABLE_DO_NOT_USE is not supported; supported: GRPC",
        ),
        (
            "api_config_source: {api_type: DELTA_GRPC, grpc_services: [{envoy_grpc: {cluster_name: xds}}]}"
                .to_owned(),
            ".api_config_source.api_type: DELTA_GRPC is not supported; supported: GRPC",
        ),
        (
            "api_config_source: {api_type: GRPC}".to_owned(),
            ".api_config_source.grpc_services: exactly one is supported, found 0",
        ),
        (
            service(""),
            ".api_config_source.grpc_services[0].envoy_grpc: required",
        ),
        (
            service("envoy_grpc: {}"),
            ".api_config_source.grpc_services[0].envoy_grpc.cluster_name: required",
        ),
        (
            service("envoy_grpc: {cluster_name: other}"),
            ".api_config_source.grpc_services[0].envoy_grpc.cluster_name: unknown cluster 'other'; the clusters are: xds",
        ),
        (
            service("envoy_grpc: {cluster_name: xds, retry_policy: {}}"),
            ".api_config_source.grpc_services[0].envoy_grpc.retry_policy: not supported",
        ),
        (
            service("envoy_grpc: {cluster_name: xds}, retry_policy: {}"),
            ".api_config_source.grpc_services[0].retry_policy: not supported",
        ),
        (
            service("envoy_grpc: {cluster_name: xds}, initial_metadata: [{key: 'a b', value: c}]"),
            ".api_config_source.grpc_services[0].initial_metadata[0].key: is not the name of a header",
        ),
        (
            service("envoy_grpc: {cluster_name: xds}, initial_metadata: [{value: c}]"),
            ".api_config_source.grpc_services[0].initial_metadata[0].key: required",
        ),
        (
            service("envoy_grpc: {cluster_name: xds}, initial_metadata: [{key: a, value: \"b\\n\"}]"),
            ".api_config_source.grpc_services[0].initial_metadata[0].value: has a byte that headers cannot have",
        ),
        (
            service(
                "envoy_grpc: {cluster_name: xds}, initial_metadata: [{key: a, value: b, raw_value: AA==}]",
            ),
            ".api_config_source.grpc_services[0].initial_metadata[0].raw_value: cannot be given together with `value`",
        ),
        (
            service("envoy_grpc: {cluster_name: xds}, initial_metadata: [{key: a, value: '%START_TIME%'}]"),
            ".api_config_source.grpc_services[0].initial_metadata[0].value: commands in `%` are not supported; a value \
             with `%` in it can be given as raw_value",
        ),
    ] {
        let problems = bootstrap_problems(&http(&format!(
            "config_source: {{{source}}}, type_urls: [{HTTP_TYPE}]"
        )));
        assert_eq!(
            problems[0],
            format!("{HTTP_PATH}.config_source{expected}"),
            "{source}"
        );
    }
    // A field of Envoy's that is not known here is refused by its name too.
    let google = service("google_grpc: {}");
    let problems = bootstrap_problems(&http(&format!(
        "config_source: {{{google}}}, type_urls: [{HTTP_TYPE}]"
    )));
    assert!(
        problems[0].contains("grpc_services[0].google_grpc: unknown field"),
        "{problems:?}"
    );
}

#[test]
fn who_asks_a_server_is_required() {
    let source = "api_config_source: {api_type: GRPC, grpc_services: [{envoy_grpc: {cluster_name: xds}}]}";
    let text = http(&format!("config_source: {{{source}}}, type_urls: [{HTTP_TYPE}]"));
    assert_eq!(
        bootstrap_problems(&text.replace("node: {id: one, cluster: one}", "node: {}")),
        [
            "node.id: required, as a server is asked for configurations",
            "node.cluster: required, as a server is asked for configurations"
        ]
    );
}

#[test]
fn a_discovered_filter_is_not_the_last() {
    let text = http(&format!("{FILE}, type_urls: [{HTTP_TYPE}]"));
    let router = ", {name: r, typed_config: {'@type': x/envoy.extensions.filters.http.router.v3.Router}}";
    let problems = bootstrap_problems(&common::changed(&text, router, ""));
    assert!(
        problems[0].contains("non-terminal filter named w"),
        "{problems:?}"
    );
    let alone = format!("{{name: w, config_discovery: {{{FILE}, type_urls: [{TCP_TYPE}]}}}}");
    let problems = bootstrap_problems(&bootstrap(&alone));
    assert!(
        problems[0].contains("filters[0]: a discovered filter is a plugin"),
        "{problems:?}"
    );
}

const RESPONSE: &str = r#"
version_info: "7"
resources:
- "@type": type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig
  name: w
  typed_config:
    "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
    config: {name: sent, failure_policy: FAIL_OPEN, vm_config: {runtime: r, code: {local: {inline_string: c}}}}
"#;

fn receive(response: &DiscoveryResponse) -> Result<Plugin, ConfigError> {
    let bootstrap = load(&http(&format!("{FILE}, type_urls: [{HTTP_TYPE}, x/other]")));
    let filter = &bootstrap.listeners[0].filters()[0];
    let discovery = filter.discovery().unwrap();
    Plugin::from_discovery(
        response,
        &filter.name,
        discovery,
        &bootstrap.clusters,
        "ecds.yaml",
        &Fixed,
    )
}

#[test]
fn a_plugin_is_received() {
    let response = read_discovery_response(RESPONSE, "ecds.yaml").unwrap();
    assert_eq!(response.version_info, "7");
    let plugin = receive(&response).unwrap();
    assert_eq!(
        (plugin.name.as_str(), plugin.failure_policy),
        ("sent", FailurePolicy::FailOpen)
    );

    let resource = Resource {
        name: "w".to_owned(),
        resource: Some(response.resources[0].clone()),
        ..Resource::default()
    };
    let wrapped = Any {
        type_url: "type.googleapis.com/envoy.service.discovery.v3.Resource".to_owned(),
        value: resource.encode_to_vec(),
    };
    let wrapped = DiscoveryResponse {
        resources: vec![wrapped],
        ..response.clone()
    };
    // As it comes from the wire, or from a file of serialised bytes.
    let wrapped = DiscoveryResponse::decode(wrapped.encode_to_vec().as_slice()).unwrap();
    assert_eq!(receive(&wrapped).unwrap(), plugin);
}

#[test]
fn responses_that_are_refused() {
    let extension = |name: &str, type_name: &str, config: &str| {
        let config = read_plugin_config(config, "p").unwrap();
        let extension = TypedExtensionConfig {
            name: name.to_owned(),
            typed_config: Some(Any {
                type_url: format!("x/{type_name}"),
                value: Wasm { config: Some(config) }.encode_to_vec(),
            }),
        };
        Any {
            type_url: "x/envoy.config.core.v3.TypedExtensionConfig".to_owned(),
            value: extension.encode_to_vec(),
        }
    };
    let good = "vm_config: {runtime: r, code: {local: {inline_string: c}}}";
    let remote = format!(
        "vm_config: {{runtime: r, code: {{remote: {{sha256: '{}', http_uri: {{uri: h/p, cluster: x, timeout: 1s}}}}}}}}",
        "0".repeat(64)
    );
    let typed = "resources[0].typed_config";
    for (resources, expected) in [
        (
            vec![],
            "resources: Unexpected number of resources in ExtensionConfigDS response: 0".to_owned(),
        ),
        (
            vec![extension("w", HTTP_TYPE, good), extension("w", HTTP_TYPE, good)],
            "resources: Unexpected number of resources in ExtensionConfigDS response: 2".to_owned(),
        ),
        (
            vec![extension("v", HTTP_TYPE, good)],
            "resources[0].name: Unexpected resource name in ExtensionConfigDS response: v".to_owned(),
        ),
        (
            vec![extension("w", TCP_TYPE, good)],
            format!("{typed}.@type: Error: filter config has type URL {TCP_TYPE} but expect {HTTP_TYPE}, other."),
        ),
        (
            vec![extension("w", "other", good)],
            format!("{typed}.@type: `x/other` is not supported here; supported: {HTTP_TYPE}"),
        ),
        (
            vec![extension("w", HTTP_TYPE, "name: a")],
            format!("{typed}.config.vm_config: required"),
        ),
        (
            vec![extension("w", HTTP_TYPE, &remote)],
            format!(
                "{typed}.config.vm_config.code.remote.http_uri.cluster: unknown cluster 'x'; the clusters are: xds"
            ),
        ),
        (
            vec![Any::default()],
            "resources[0].@type: `` is not supported here; supported: envoy.config.core.v3.TypedExtensionConfig, \
             envoy.service.discovery.v3.Resource"
                .to_owned(),
        ),
    ] {
        let response = DiscoveryResponse {
            resources,
            ..DiscoveryResponse::default()
        };
        let error = receive(&response).unwrap_err();
        assert_eq!(error.to_string(), format!("ecds.yaml: {expected}"));
    }
}
