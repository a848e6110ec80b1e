//! Listeners for TCP.

mod common;

use std::time::Duration;

use common::{Fixed, bootstrap_problems};
use enginebay_config::load_bootstrap;
use enginebay_config::model::ListenerKind;

const FILTERS: &str = "static_resources.listeners[0].filter_chains[0].filters";
const PLUGIN: &str = r#"{name: w, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm, config: {name: p, vm_config: {runtime: r, code: {local: {inline_string: c}}}}}}"#;
const MANAGER: &str = r#"{name: h, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager, stat_prefix: s, route_config: {}, http_filters: [{name: r, typed_config: {"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}]}}"#;

fn proxy(fields: &str) -> String {
    format!(
        r#"{{name: t, typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, {fields}}}}}"#
    )
}

fn bootstrap(filters: &[&str]) -> String {
    format!(
        "static_resources:
  clusters: [{{name: up}}, {{name: other}}]
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains: [{{filters: [{}]}}]
",
        filters.join(", ")
    )
}

#[test]
fn a_proxy_with_plugins_in_front() {
    let text = bootstrap(&[PLUGIN, PLUGIN, &proxy("stat_prefix: s, cluster: up")]);
    let bootstrap = load_bootstrap(&text, "envoy.yaml", &Fixed).unwrap();
    let listener = &bootstrap.listeners[0];
    assert!(matches!(listener.kind, ListenerKind::Tcp(_)));
    assert!(listener.http().is_none());
    assert_eq!((listener.stat_prefix(), listener.buffer_limit), ("s", 1 << 20));
    let tcp = listener.tcp().unwrap();
    assert_eq!((tcp.cluster.as_str(), tcp.max_connect_attempts), ("up", 1));
    assert_eq!(tcp.idle_timeout, Some(Duration::from_secs(3600)));
    let [first, second] = listener.filters() else {
        panic!("{tcp:?}")
    };
    assert_eq!(
        (first.name.as_str(), first.plugin().unwrap().name.as_str()),
        ("w", "p")
    );
    assert_eq!(second.path, format!("{FILTERS}[1].typed_config.config"));
}

#[test]
fn the_fields_of_a_proxy() {
    let tcp = |fields: &str| {
        let text = bootstrap(&[&proxy(fields)]);
        let bootstrap = load_bootstrap(&text, "envoy.yaml", &Fixed).unwrap();
        bootstrap.listeners[0].tcp().unwrap().clone()
    };
    let given = tcp("stat_prefix: s, cluster: other, idle_timeout: 1.5s, max_connect_attempts: 3");
    assert_eq!(given.idle_timeout, Some(Duration::from_millis(1500)));
    assert_eq!((given.cluster.as_str(), given.max_connect_attempts), ("other", 3));
    assert!(given.filters.is_empty());
    let never = tcp("stat_prefix: s, cluster: up, idle_timeout: 0s");
    assert_eq!(never.idle_timeout, None);
}

#[test]
fn access_loggers_of_a_proxy() {
    let log = |config: &str| {
        let kind = "type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog";
        let stdout = "type.googleapis.com/envoy.extensions.access_loggers.stream.v3.StdoutAccessLog";
        bootstrap(&[
            PLUGIN,
            &proxy(&format!(
                "stat_prefix: s, cluster: up, access_log: [{{name: o, typed_config: {{'@type': {stdout}}}}}, {{name: l, \
                 typed_config: {{'@type': {kind}{config}}}}}]"
            )),
        ])
    };
    let plugin = ", config: {name: logs, vm_config: {runtime: r, code: {local: {inline_string: c}}}}";
    let read = load_bootstrap(&log(plugin), "envoy.yaml", &Fixed).unwrap();
    let [logger] = read.listeners[0].access_loggers() else {
        panic!("{:?}", read.listeners)
    };
    assert_eq!(
        (logger.name.as_str(), logger.plugin().unwrap().name.as_str()),
        ("l", "logs")
    );
    let path = format!("{FILTERS}[1].typed_config.access_log[1].typed_config.config");
    assert_eq!(logger.path, path);
    assert_eq!(read.listeners[0].filters().len(), 1);
    assert_eq!(bootstrap_problems(&log("")), [format!("{path}: required")]);
}

#[test]
fn proxies_that_can_be_read_but_not_run() {
    let path = format!("{FILTERS}[0].typed_config");
    for (fields, expected) in [
        ("cluster: up", "stat_prefix: required"),
        ("stat_prefix: s", "cluster: required"),
        (
            "stat_prefix: s, cluster: down",
            "cluster: unknown cluster 'down'; the clusters are: other, up",
        ),
        (
            "stat_prefix: s, cluster: up, max_connect_attempts: 0",
            "max_connect_attempts: must be at least 1",
        ),
        (
            "stat_prefix: s, cluster: up, idle_timeout: -1s",
            "idle_timeout: must not be negative",
        ),
    ] {
        let problems = bootstrap_problems(&bootstrap(&[&proxy(fields)]));
        assert_eq!(problems, [format!("{path}.{expected}")]);
    }
    let problems = bootstrap_problems(&bootstrap(&[&proxy(
        "stat_prefix: s, cluster: up, weighted_clusters: {}",
    )]));
    assert!(
        problems[0].contains("weighted_clusters: unknown field"),
        "{problems:?}"
    );
}

#[test]
fn chains_in_the_wrong_order() {
    let good = proxy("stat_prefix: s, cluster: up");
    let no_config = PLUGIN.replace(
        "config: {name: p, vm_config: {runtime: r, code: {local: {inline_string: c}}}}",
        "",
    );
    for (filters, expected) in [
        (
            vec![PLUGIN],
            "[0]: non-terminal filter named w of type envoy.filters.network.wasm is the last filter in a network filter \
             chain; add a TcpProxy (envoy.filters.network.tcp_proxy)",
        ),
        (
            vec![&good, &good],
            "[0]: terminal filter named t must be the last filter in a network filter chain.",
        ),
        (
            vec![MANAGER, &good],
            "[0]: terminal filter named h must be the last filter in a network filter chain.",
        ),
        (
            vec![PLUGIN, MANAGER],
            "[0]: plugins for connections (envoy.filters.network.wasm) in front of an HttpConnectionManager are not \
             supported; in front of a TcpProxy they are",
        ),
        (vec![&no_config, &good], "[0].typed_config.config: required"),
        (vec!["{name: x}", &good], "[0].typed_config: required"),
    ] {
        let problems = bootstrap_problems(&bootstrap(&filters));
        assert_eq!(problems, [format!("{FILTERS}{expected}")]);
    }
}
