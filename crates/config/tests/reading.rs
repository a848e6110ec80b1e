//! Texts that cannot be read into a message.

mod common;

use common::{BOOTSTRAP, Fixed, bootstrap_problems, changed, plugin_problems};
use enginebay_config::{load_bootstrap, read_bootstrap, read_plugin_config};

const WASM: &str =
    "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[0].typed_config";

#[test]
fn an_unknown_field_is_named_with_its_whole_path() {
    let text = changed(BOOTSTRAP, "nack_on_code_cache_miss", "nack_on_code_cache_mis");
    let error = load_bootstrap(&text, "conf/envoy.yaml", &Fixed).unwrap_err();
    let line = text.lines().position(|line| line.contains("cache_mis:")).unwrap() + 1;
    assert_eq!(
        error.to_string(),
        format!(
            "conf/envoy.yaml: {WASM}.config.vm_config.nack_on_code_cache_mis: unknown field; \
             did you mean `nack_on_code_cache_miss`? (line {line})"
        )
    );
}

#[test]
fn every_problem_is_reported_on_a_line_of_its_own() {
    let text = changed(
        BOOTSTRAP,
        "stats_flush_interval: 5s",
        "stats_flush_interval: 5\ntracing: {}",
    );
    let text = changed(&text, "root_id:", "rootid_:");
    let error = load_bootstrap(&text, "envoy.yaml", &Fixed).unwrap_err();
    let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(
        lines[0],
        "envoy.yaml: stats_flush_interval: expected a duration in seconds, such as 5s or 0.25s, found the number 5 \
         (line 15)"
    );
    assert!(
        lines[1].starts_with(
            "envoy.yaml: tracing: unknown field; the fields of Bootstrap known here are admin, "
        )
    );
    assert!(
        lines[2].contains("config.rootid_: unknown field; did you mean `root_id`?"),
        "{}",
        lines[2]
    );
}

#[test]
fn values_of_the_wrong_type() {
    for (text, expected) in [
        ("node: [a]", "node: expected an object (Node), found a list"),
        (
            "node: {id: 123}",
            "node.id: expected text, found the number 123; put it in quotes",
        ),
        (
            "node: {id: yes}",
            "node.id: expected text, found the boolean true; put it in quotes",
        ),
        (
            "static_resources: {listeners: {}}",
            "static_resources.listeners: expected a list, found an object",
        ),
        (
            "static_resources: {listeners: [a]}",
            "static_resources.listeners[0]: expected an object (Listener), found the text `a`",
        ),
        (
            "static_resources: {listeners: [null]}",
            "static_resources.listeners[0]: expected an object (Listener), found nothing (null)",
        ),
        (
            "static_resources: {clusters: [{connect_timeout: 5ms}]}",
            "static_resources.clusters[0].connect_timeout: expected a duration in seconds, such as 5s or 0.25s, found \
             the text `5ms`",
        ),
        (
            "static_resources: {clusters: [{dns_lookup_family: V5}]}",
            "static_resources.clusters[0].dns_lookup_family: expected one of AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, \
             ALL, found the text `V5`",
        ),
        (
            "static_resources: {clusters: [{dns_lookup_family: 5}]}",
            "static_resources.clusters[0].dns_lookup_family: expected one of AUTO, V4_ONLY, V6_ONLY, V4_PREFERRED, \
             ALL, found the number 5",
        ),
        (
            "static_resources: {listeners: [{tcp_backlog_size: -1}]}",
            "static_resources.listeners[0].tcp_backlog_size: expected a whole number from 0 to 4294967295, found the \
             number -1",
        ),
        (
            "static_resources: {listeners: [{tcp_backlog_size: 1.5}]}",
            "static_resources.listeners[0].tcp_backlog_size: expected a whole number from 0 to 4294967295, found the \
             text `1.5`",
        ),
        (
            "static_resources: {listeners: [{enable_reuse_port: 1}]}",
            "static_resources.listeners[0].enable_reuse_port: expected true or false, found the number 1",
        ),
        ("[]", ": expected an object (Bootstrap), found a list"),
    ] {
        assert_eq!(bootstrap_problems(text), [expected], "{text}");
    }
    assert_eq!(
        plugin_problems("vm_config: {'@type': x}"),
        [
            "vm_config.@type: unknown field; the fields of VmConfig known here are allow_precompiled, capability_restriction_config, code, \
             configuration, environment_variables, nack_on_code_cache_miss, runtime, vm_id"
        ]
    );
    for (text, expected) in [
        (
            "vm_config: {code: {local: {inline_bytes: '***'}}}",
            "vm_config.code.local.inline_bytes: expected base64, found the text `***`",
        ),
        (
            "vm_config: {environment_variables: {key_values: {A: 1}}}",
            "vm_config.environment_variables.key_values.A: expected text, found the number 1; put it in quotes",
        ),
        (
            "vm_config: {environment_variables: {key_values: {a b: [], 'x.y': {}}}}",
            "vm_config.environment_variables.key_values[\"a b\"]: expected text, found a list",
        ),
        (
            "vm_config: {environment_variables: {host_env_keys: [A, 5]}}",
            "vm_config.environment_variables.host_env_keys[1]: expected text, found the number 5; put it in quotes",
        ),
        (
            "configuration: text",
            "configuration: expected an object with `@type`, found the text `text`",
        ),
    ] {
        assert_eq!(plugin_problems(text)[0], expected, "{text}");
    }
}

#[test]
fn what_envoy_takes_is_taken() {
    let text = "static_resources: {clusters: [{type: strict_dns}, {type: 2}, {type: '1'}], listeners: \
                [{tcp_backlog_size: '7', enable_reuse_port: 'true', per_connection_buffer_limit_bytes: 1e3}]}";
    let resources = read_bootstrap(text, "envoy.yaml")
        .unwrap()
        .static_resources
        .unwrap();
    let types: Vec<String> = resources
        .clusters
        .iter()
        .map(|cluster| format!("{:?}", cluster.cluster_discovery_type))
        .collect();
    assert_eq!(
        types,
        [
            "Some(Type(StrictDns))",
            "Some(Type(LogicalDns))",
            "Some(Type(StrictDns))"
        ]
    );
    assert_eq!(resources.listeners[0].tcp_backlog_size, Some(7));
    assert_eq!(resources.listeners[0].enable_reuse_port, Some(true));
    assert_eq!(
        resources.listeners[0].per_connection_buffer_limit_bytes,
        Some(1000)
    );
    let null = read_bootstrap("{node: null, admin: {access_log: ~}}", "envoy.yaml").unwrap();
    assert_eq!(
        (null.node, null.admin.map(|admin| admin.access_log.len())),
        (None, Some(0))
    );
}

#[test]
fn a_field_given_twice() {
    assert_eq!(
        plugin_problems("vm_config: {vm_id: a, vmId: b}"),
        ["vm_config.vm_id: given twice, as `vm_id` and as `vmId`"]
    );
    assert_eq!(
        plugin_problems("vm_config: {code: {local: {filename: a, inline_string: b}}}"),
        ["vm_config.code.local.inline_string: cannot be given together with `filename`"]
    );
    let error = read_plugin_config("name: a\nroot_id: b\nname: c\n", "plugin.yaml").unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin.yaml: line 3, column 1: not valid YAML: the key `name` is there twice, first in line 1"
    );
    let error = read_plugin_config("{\"name\": \"a\",\n\"name\": \"c\"}", "plugin.json").unwrap_err();
    assert_eq!(
        error.to_string(),
        "plugin.json: line 2, column 6: not valid JSON: the key `name` is there twice"
    );
}

#[test]
fn text_that_is_no_yaml_or_json() {
    for (text, file, expected) in [
        ("name: [a", "p.yaml", "p.yaml: line 2, column 1: not valid YAML: "),
        (
            "name: a\n  root_id: b\n",
            "p.yaml",
            "p.yaml: line 2, column 10: not valid YAML: ",
        ),
        (
            "{\"name\": \"a\",}",
            "p.json",
            "p.json: line 1, column 14: not valid JSON: trailing comma",
        ),
        (
            "name: a",
            "p.json",
            "p.json: line 1, column 2: not valid JSON: expected ident",
        ),
        ("", "p.yaml", "p.yaml: there is nothing in it"),
        ("# nothing\n", "p.yaml", "p.yaml: there is nothing in it"),
    ] {
        let error = read_plugin_config(text, file).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
    }
}

#[test]
fn messages_of_types_that_cannot_stand_there() {
    let text = changed(BOOTSTRAP, "http.router.v3.Router", "http.cors.v3.Cors");
    assert_eq!(
        bootstrap_problems(&text),
        [
            "static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters[3].typed_config.@type: \
             `type.googleapis.com/envoy.extensions.filters.http.cors.v3.Cors` is not supported here; supported: \
             envoy.extensions.filters.http.wasm.v3.Wasm, envoy.extensions.filters.http.router.v3.Router"
        ]
    );
    let hcm = "network.http_connection_manager.v3.HttpConnectionManager";
    let text = changed(BOOTSTRAP, hcm, "network.redis_proxy.v3.RedisProxy");
    assert!(
        bootstrap_problems(&text)[0].contains("filters[0].typed_config.@type: `type.googleapis.com/envoy.")
    );

    for (configuration, expected) in [
        (
            "{'@type': type.googleapis.com/acme.Config, a: 1}",
            "configuration.@type: the type `type.googleapis.com/acme.Config` is not known here, so its fields cannot be \
             read; use google.protobuf.Struct, StringValue or BytesValue",
        ),
        (
            "{a: 1}",
            "configuration.@type: required; for instance type.googleapis.com/google.protobuf.StringValue",
        ),
        (
            "{'@type': StringValue, value: a}",
            "configuration.@type: `StringValue` is not a type URL; for instance \
             type.googleapis.com/google.protobuf.StringValue",
        ),
        (
            "{'@type': type.googleapis.com/google.protobuf.StringValue}",
            "configuration.value: required beside `@type` `type.googleapis.com/google.protobuf.StringValue`",
        ),
        (
            "{'@type': type.googleapis.com/google.protobuf.Struct, value: {}, b: 1}",
            "configuration.b: unknown field; put what the Struct holds into `value`",
        ),
        (
            "{'@type': type.googleapis.com/google.protobuf.Struct, value: a}",
            "configuration.value: expected an object, found the text `a`",
        ),
        (
            "{'@type': type.googleapis.com/google.protobuf.Empty, a: 1}",
            "configuration.a: unknown field; Empty has no fields",
        ),
        (
            "{'@type': type.googleapis.com/envoy.extensions.wasm.v3.VmConfig, runtim: 1}",
            "configuration.runtim: unknown field; did you mean `runtime`?",
        ),
    ] {
        assert_eq!(
            plugin_problems(&format!("configuration: {configuration}")),
            [expected]
        );
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| {
        let (open, close) = ("{a: ".repeat(depth), "}".repeat(depth));
        format!(
            "configuration: {{'@type': type.googleapis.com/google.protobuf.Struct, value: {open}1{close}}}"
        )
    };
    assert!(read_plugin_config(&nested(30), "p.yaml").is_ok());
    let error = read_plugin_config(&nested(31), "p.yaml").unwrap_err().to_string();
    assert!(error.contains("nested more than 30 deep"), "{error}");
    let metadata = |depth: usize| {
        format!(
            "node: {{metadata: {}1{}}}",
            "{a: ".repeat(depth),
            "}".repeat(depth)
        )
    };
    assert!(read_bootstrap(&metadata(30), "e.yaml").is_ok());
}
