//! Plugins that serve no request: services and stats sinks.

mod common;

use std::time::Duration;

use common::{Fixed, bootstrap_problems};
use enginebay_config::load_bootstrap;
use enginebay_config::model::{Bootstrap, StatsFlush};

const SERVICE: &str = "'@type': type.googleapis.com/envoy.extensions.wasm.v3.WasmService";
const SINK: &str = "'@type': type.googleapis.com/envoy.extensions.stat_sinks.wasm.v3.Wasm";
const CONFIG: &str = "config: {name: p, vm_config: {runtime: r, code: {local: {inline_string: c}}}}";

fn load(text: &str) -> Bootstrap {
    load_bootstrap(text, "envoy.yaml", &Fixed).unwrap()
}

#[test]
fn services_arrive_in_the_model() {
    let bootstrap = load(&format!(
        "bootstrap_extensions: [{{name: envoy.bootstrap.wasm, typed_config: {{{SERVICE}, {CONFIG}, singleton: true}}}}, \
         {{name: second, typedConfig: {{{SERVICE}, {CONFIG}}}}}]"
    ));
    let [first, second] = bootstrap.services.as_slice() else {
        panic!("{:?}", bootstrap.services)
    };
    assert_eq!(
        (first.name.as_str(), first.singleton),
        ("envoy.bootstrap.wasm", true)
    );
    assert_eq!(first.path, "bootstrap_extensions[0].typed_config.config");
    assert_eq!(first.plugin.name, "p");
    assert_eq!((second.name.as_str(), second.singleton), ("second", false));
    let paths: Vec<&str> = bootstrap.plugins().map(|(path, _)| path).collect();
    assert_eq!(
        paths,
        [
            "bootstrap_extensions[0].typed_config.config",
            "bootstrap_extensions[1].typed_config.config"
        ]
    );
}

#[test]
fn stats_sinks_arrive_in_the_model() {
    let bootstrap = load(&format!(
        "stats_sinks: [{{name: envoy.stat_sinks.wasm, typed_config: {{{SINK}, {CONFIG}}}}}, {{typed_config: {{{SINK}, \
         {CONFIG}}}}}]"
    ));
    let sinks: Vec<(&str, &str)> = bootstrap
        .stats_sinks
        .iter()
        .map(|sink| (&*sink.name, &*sink.path))
        .collect();
    assert_eq!(
        sinks,
        [
            ("envoy.stat_sinks.wasm", "stats_sinks[0].typed_config.config"),
            ("", "stats_sinks[1].typed_config.config")
        ]
    );
    assert_eq!(bootstrap.plugins().count(), 2);
}

#[test]
fn when_sinks_are_told() {
    for (text, expected) in [
        ("{}", StatsFlush::Every(Duration::from_secs(5))),
        (
            "stats_flush_interval: 0.001s",
            StatsFlush::Every(Duration::from_millis(1)),
        ),
        ("stats_flush_on_admin: true", StatsFlush::OnAdmin),
    ] {
        assert_eq!(load(text).stats_flush, expected, "{text}");
    }
    for (text, expected) in [
        (
            "stats_flush_interval: 300s",
            "stats_flush_interval: must be at least 0.001s and less than 300s",
        ),
        (
            "stats_flush_interval: 0s",
            "stats_flush_interval: must be at least 0.001s and less than 300s",
        ),
        (
            "stats_flush_interval: -1s",
            "stats_flush_interval: must not be negative",
        ),
        (
            "{stats_flush_interval: 1s, stats_flush_on_admin: true}",
            "stats_flush_on_admin: Only one of stats_flush_interval or stats_flush_on_admin should be set!",
        ),
        (
            "stats_flush_on_admin: false",
            "stats_flush_on_admin: must be true if given",
        ),
    ] {
        assert_eq!(bootstrap_problems(text), [expected], "{text}");
    }
}

#[test]
fn what_is_missing_or_misplaced() {
    let wasm = "envoy.extensions.filters.http.wasm.v3.Wasm";
    for (text, expected) in [
        (
            format!("bootstrap_extensions: [{{typed_config: {{{SERVICE}, {CONFIG}}}}}]"),
            "bootstrap_extensions[0].name: required".to_owned(),
        ),
        (
            "bootstrap_extensions: [{name: a}]".to_owned(),
            "bootstrap_extensions[0].typed_config: required".to_owned(),
        ),
        (
            format!("bootstrap_extensions: [{{name: a, typed_config: {{{SERVICE}}}}}]"),
            "bootstrap_extensions[0].typed_config.config: required".to_owned(),
        ),
        (
            format!("bootstrap_extensions: [{{name: a, typed_config: {{{SERVICE}, config: {{}}}}}}]"),
            "bootstrap_extensions[0].typed_config.config.vm_config: required".to_owned(),
        ),
        (
            format!("bootstrap_extensions: [{{name: a, typed_config: {{'@type': x/{wasm}, {CONFIG}}}}}]"),
            format!(
                "bootstrap_extensions[0].typed_config.@type: `x/{wasm}` is not supported here; supported: \
                 envoy.extensions.wasm.v3.WasmService"
            ),
        ),
        (
            "stats_sinks: [{name: a}]".to_owned(),
            "stats_sinks[0].typed_config: required".to_owned(),
        ),
        (
            format!("stats_sinks: [{{typed_config: {{{SINK}}}}}]"),
            "stats_sinks[0].typed_config.config: required".to_owned(),
        ),
        (
            "stats_sinks: [{typed_config: {'@type': x/envoy.config.metrics.v3.StatsdSink}}]".to_owned(),
            "stats_sinks[0].typed_config.@type: `x/envoy.config.metrics.v3.StatsdSink` is not supported here; \
             supported: envoy.extensions.stat_sinks.wasm.v3.Wasm"
                .to_owned(),
        ),
    ] {
        assert_eq!(bootstrap_problems(&text), [expected], "{text}");
    }
}

#[test]
fn a_service_is_no_filter() {
    let service = format!("{{name: s, typed_config: {{{SERVICE}, {CONFIG}, singleton: true}}}}");
    let address = "address: {socket_address: {address: 127.0.0.1, port_value: 0}}";
    let manager = "'@type': type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    let http = format!(
        "{{name: h, typed_config: {{{manager}, stat_prefix: s, route_config: {{}}, http_filters: [{service}]}}}}"
    );
    for (filter, path) in [
        (&http, "filters[0].typed_config.http_filters[0]"),
        (&service, "filters[0]"),
    ] {
        let text = format!(
            "static_resources: {{listeners: [{{{address}, filter_chains: [{{filters: [{filter}]}}]}}]}}"
        );
        let problems = bootstrap_problems(&text);
        let expected = format!(
            "static_resources.listeners[0].filter_chains[0].{path}.typed_config.@type: a WasmService serves no request \
             or connection, and cannot be used here; put it into bootstrap_extensions, or its plugin into one of envoy."
        );
        assert!(problems[0].starts_with(&expected), "{problems:?}");
    }
    let sink = format!("stats_sinks: [{service}]");
    let problems = bootstrap_problems(&sink);
    assert!(
        problems[0].starts_with("stats_sinks[0].typed_config.@type: a WasmService serves no request"),
        "{problems:?}"
    );
}
