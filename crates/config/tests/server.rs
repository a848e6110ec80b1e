//! Server configurations that can be read but not run.

mod common;

use common::{BOOTSTRAP, MINIMAL, bootstrap_problems, changed};

const HCM: &str = "static_resources.listeners[0].filter_chains[0].filters[0].typed_config";

#[track_caller]
fn refused(text: &str, expected: &[&str]) {
    assert_eq!(bootstrap_problems(text), expected);
}

#[test]
fn addresses() {
    let minimal = |address: &str| changed(MINIMAL, "{address: 127.0.0.1, port_value: 0}", address);
    let path = "static_resources.listeners[0].address.socket_address";
    for (address, expected) in [
        (
            "{address: localhost, port_value: 80}",
            "address: malformed IP address: localhost",
        ),
        (
            "{address: 127.0.0.1, port_value: 65536}",
            "port_value: a port is at most 65535",
        ),
        ("{address: 127.0.0.1}", "port_value: required"),
        ("{port_value: 80}", "address: required"),
        (
            "{protocol: UDP, address: 127.0.0.1, port_value: 80}",
            "protocol: UDP is not supported; supported: TCP",
        ),
    ] {
        refused(&minimal(address), &[&format!("{path}.{expected}")]);
    }
    let none = changed(
        MINIMAL,
        "- address: {socket_address: {address: 127.0.0.1, port_value: 0}}",
        "- name: a",
    );
    refused(&none, &["static_resources.listeners[0].address: required"]);
    refused(
        "admin: {address: {}}",
        &["admin.address.socket_address: required"],
    );
    refused(
        "admin: {address: {pipe: {path: a}}}",
        &["admin.address.pipe: unknown field; the fields of Address known here are socket_address"],
    );
}

#[test]
fn listeners_and_their_filter_chains() {
    let listener = "address: {socket_address: {address: 127.0.0.1, port_value: 80}}";
    let path = "static_resources.listeners[0].filter_chains";
    for (chains, expected) in [
        (
            "",
            format!("{path}: exactly one filter chain is supported, found 0"),
        ),
        (
            "filter_chains: [{}, {}]",
            format!("{path}: exactly one filter chain is supported, found 2"),
        ),
        (
            "filter_chains: [{}]",
            format!(
                "{path}[0].filters: a filter is required: an HttpConnectionManager, or a TcpProxy with plugins in front of it"
            ),
        ),
        (
            "filter_chains: [{filters: [{name: a}]}]",
            format!("{path}[0].filters[0].typed_config: required"),
        ),
    ] {
        refused(
            &format!("static_resources: {{listeners: [{{{listener}, {chains}}}]}}"),
            &[&expected],
        );
    }
    let (before, one) = MINIMAL.split_once("    - address").unwrap();
    let named = |port: u16| {
        format!("    - name: a\n      address{one}").replace("port_value: 0", &format!("port_value: {port}"))
    };
    refused(
        &format!("{before}{}{}", named(80), named(80)),
        &[
            "static_resources.listeners[1].name: duplicate listener 'a'",
            "static_resources.listeners[1].address: has duplicate address '127.0.0.1:80' as another listener",
        ],
    );
}

#[test]
fn http_filters() {
    let router = "- name: router\n                    typed_config:\n                      \"@type\": \
                  type.googleapis.com/envoy.extensions.filters.http.router.v3.Router\n";
    let wasm = "- name: w\n                    typed_config:\n                      \"@type\": \
                type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm\n                      config: \
                {vm_config: {runtime: r, code: {local: {inline_string: c}}}}\n";
    let filters = |filters: &[&str]| {
        let filters: Vec<String> = filters
            .iter()
            .map(|filter| format!("                  {filter}"))
            .collect();
        changed(MINIMAL, &format!("                  {router}"), &filters.concat())
    };
    let path = format!("{HCM}.http_filters");
    refused(
        &changed(&filters(&[]), "http_filters:", "http_filters: []"),
        &[&format!(
            "{path}: the last HTTP filter must be the router (envoy.filters.http.router)"
        )],
    );
    refused(
        &filters(&[wasm]),
        &[&format!(
            "{path}[0]: non-terminal filter named w of type envoy.filters.http.wasm is the last filter in a http \
             filter chain; add the router (envoy.filters.http.router)"
        )],
    );
    refused(
        &filters(&[router, wasm, router]),
        &[&format!(
            "{path}[0]: terminal filter named router of type envoy.filters.http.router must be the last filter in a \
             http filter chain."
        )],
    );
    let disabled = router.replace(
        "- name: router",
        "- name: router\n                    disabled: true",
    );
    refused(
        &filters(&[&disabled]),
        &[&format!("{path}[0].disabled: the router cannot be disabled")],
    );
    let empty = wasm.replace("r, code: {local: {inline_string: c}}", "r");
    refused(
        &filters(&[&empty, router]),
        &[&format!("{path}[0].typed_config.config.vm_config.code: required")],
    );
    let nothing = "- name: w\n";
    refused(
        &filters(&[nothing, router]),
        &[&format!("{path}[0].typed_config: required")],
    );
}

#[test]
fn access_loggers() {
    let wasm = "envoy.extensions.access_loggers.wasm.v3.WasmAccessLog";
    let with = |log: &str| {
        changed(
            MINIMAL,
            "route_config:",
            &format!("access_log: [{log}]\n                route_config:"),
        )
    };
    let path = format!("{HCM}.access_log[0]");
    let config = "{vm_config: {runtime: r, code: {local: {inline_string: c}}}}";
    for (log, expected) in [
        (
            format!("{{name: a, typed_config: {{'@type': type.googleapis.com/{wasm}}}}}"),
            format!("{path}.typed_config.config: required"),
        ),
        (
            format!("{{typed_config: {{'@type': type.googleapis.com/{wasm}, config: {config}}}}}"),
            format!("{path}.name: required"),
        ),
        (
            format!("{{name: a, typed_config: {{'@type': type.googleapis.com/{wasm}, config: {{}}}}}}"),
            format!("{path}.typed_config.config.vm_config: required"),
        ),
        (
            format!(
                "{{name: a, filter: {{not_health_check_filter: {{}}}}, typed_config: {{'@type': \
                 type.googleapis.com/{wasm}, config: {config}}}}}"
            ),
            format!(
                "{path}.filter: unknown field; the fields of AccessLog known here are name, typed_config"
            ),
        ),
    ] {
        refused(&with(&log), &[&expected]);
    }
    refused(
        &format!(
            "admin: {{access_log: [{{name: a, typed_config: {{'@type': type.googleapis.com/{wasm}, config: {config}}}}}]}}"
        ),
        &[
            "admin.access_log[0].typed_config: plugins are access loggers of an HttpConnectionManager or a TcpProxy only",
        ],
    );
}

#[test]
fn connection_managers() {
    refused(
        &changed(MINIMAL, "stat_prefix: web", "codec_type: HTTP3"),
        &[
            &format!("{HCM}.stat_prefix: required"),
            &format!("{HCM}.codec_type: HTTP3 is not supported; supported: AUTO, HTTP1, HTTP2"),
        ],
    );
    refused(
        &changed(MINIMAL, "route_config:", "rds:"),
        &[&bootstrap_problems(&changed(MINIMAL, "route_config:", "rds:"))[0]],
    );
    assert!(
        bootstrap_problems(&changed(MINIMAL, "route_config:", "rds:"))[0]
            .starts_with(&format!("{HCM}.rds: unknown"))
    );
}

#[test]
fn routes() {
    let routes = format!("{HCM}.route_config.virtual_hosts[0].routes[0]");
    for (from, to, expected) in [
        (
            "direct_response: {status: 204}",
            "route: {cluster: nowhere}",
            format!("{routes}.route.cluster: unknown cluster 'nowhere'; the clusters are: none"),
        ),
        (
            "direct_response: {status: 204}",
            "route: {}",
            format!("{routes}.route.cluster: required"),
        ),
        (
            "direct_response: {status: 204}",
            "name: x",
            format!("{routes}: one of route, direct_response is required"),
        ),
        (
            "direct_response: {status: 204}",
            "route: {weighted_clusters: {}}",
            format!(
                "{routes}.route.weighted_clusters: unknown field; the fields of RouteAction known here are cluster, \
                 host_rewrite_literal, prefix_rewrite, timeout"
            ),
        ),
        (
            "status: 204",
            "status: 199",
            format!("{routes}.direct_response.status: must be from 200 to 599"),
        ),
        (
            "status: 204",
            "body: {}, status: 200",
            format!(
                "{routes}.direct_response.body: one of filename, inline_bytes, inline_string, environment_variable is required"
            ),
        ),
        (
            "status: 204",
            "status: 200, body: {filename: none}",
            format!("{routes}.direct_response.body.filename: Invalid path: none: entity not found"),
        ),
        (
            "status: 204",
            "status: 200, body: {environment_variable: NONE}",
            format!(
                "{routes}.direct_response.body.environment_variable: Environment variable doesn't exist: NONE"
            ),
        ),
        (
            "match: {prefix: /}",
            "match: {}",
            format!("{routes}.match: one of prefix, path is required"),
        ),
        (
            "- match: {prefix: /}",
            "- name: x",
            format!("{routes}.match: required"),
        ),
        (
            "domains: [\"*\"]",
            "domains: []",
            format!(
                "{HCM}.route_config.virtual_hosts[0].domains: at least one domain is required; `*` is every domain"
            ),
        ),
        (
            "domains: [\"*\"]",
            "domains: [\"a.*.b\"]",
            format!(
                "{HCM}.route_config.virtual_hosts[0].domains[0]: a domain is a name with at most one `*`, at its beginning \
             or its end"
            ),
        ),
        (
            "domains: [\"*\"]",
            "domains: [a, A]",
            format!(
                "{HCM}.route_config.virtual_hosts[0].domains[1]: Only unique values for domains are permitted. Duplicate \
             entry of domain a in virtual host all"
            ),
        ),
        (
            "- name: all",
            "- name: ''",
            format!("{HCM}.route_config.virtual_hosts[0].name: required"),
        ),
    ] {
        refused(&changed(MINIMAL, from, to), &[&expected]);
    }
    let long = format!("{{status: 200, body: {{inline_string: {}}}}}", "a".repeat(4097));
    let long = changed(MINIMAL, "{status: 204}", &long);
    refused(
        &long,
        &[&format!(
            "{routes}.direct_response.body: response body size is 4097 bytes; maximum is 4096"
        )],
    );
    let raised = changed(
        &long,
        "virtual_hosts:",
        "max_direct_response_body_size_bytes: 4097\n                  virtual_hosts:",
    );
    assert!(enginebay_config::load_bootstrap(&raised, "envoy.yaml", &common::Fixed).is_ok());

    let unknown = changed(BOOTSTRAP, "route: {cluster: backend}", "route: {cluster: backed}");
    refused(
        &unknown,
        &[&format!(
            "{HCM}.route_config.virtual_hosts[1].routes[0].route.cluster: unknown cluster 'backed'; the clusters are: \
             backend, grpc"
        )],
    );
}

#[test]
fn clusters() {
    let path = "static_resources.clusters[0]";
    let endpoint = |address: &str| {
        format!(
            "load_assignment: {{cluster_name: a, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: \
             {address}}}}}}}]}}]}}"
        )
    };
    let address =
        format!("{path}.load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.socket_address");
    let options = "typed_extension_protocol_options";
    let http = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";
    for (cluster, expected) in [
        ("name: ''".to_owned(), format!("{path}.name: required")),
        (
            "name: a, type: EDS".to_owned(),
            format!("{path}.type: EDS is not supported; supported: STATIC, STRICT_DNS, LOGICAL_DNS"),
        ),
        (
            "name: a, lb_policy: MAGLEV".to_owned(),
            format!("{path}.lb_policy: MAGLEV is not supported; supported: ROUND_ROBIN, LEAST_REQUEST, RANDOM"),
        ),
        ("name: a, connect_timeout: 0s".to_owned(), format!("{path}.connect_timeout: must be greater than 0s")),
        ("name: a, connect_timeout: -1s".to_owned(), format!("{path}.connect_timeout: must not be negative")),
        (
            format!("name: a, {}", endpoint("{address: localhost, port_value: 80}")),
            format!(
                "{address}.address: malformed IP address: localhost. Consider setting cluster type to 'STRICT_DNS' or \
                 'LOGICAL_DNS'"
            ),
        ),
        (
            format!("name: a, {}", endpoint("{address: 127.0.0.1, port_value: 0}")),
            format!("{address}.port_value: nothing can be connected to at port 0"),
        ),
        ("name: a, load_assignment: {}".to_owned(), format!("{path}.load_assignment.cluster_name: required")),
        (
            "name: a, type: LOGICAL_DNS, load_assignment: {cluster_name: a, endpoints: [{lb_endpoints: [{endpoint: \
             {address: {socket_address: {address: a, port_value: 1}}}}, {endpoint: {address: {socket_address: \
             {address: b, port_value: 1}}}}]}]}"
                .to_owned(),
            format!("{path}.load_assignment.endpoints: LOGICAL_DNS clusters must have a single endpoint"),
        ),
        (
            format!("name: a, {options}: {{{http}: {{'@type': type.googleapis.com/{http}}}}}"),
            format!("{path}.{options}[\"{http}\"].explicit_http_config: required"),
        ),
        (
            format!("name: a, {options}: {{b: {{'@type': type.googleapis.com/{http}}}}}"),
            format!("{path}.{options}.b: not supported; supported: {http}"),
        ),
    ] {
        refused(&format!("static_resources: {{clusters: [{{{cluster}}}]}}"), &[&expected]);
    }
    refused(
        "static_resources: {clusters: [{name: a}, {name: a}]}",
        &["static_resources.clusters[1].name: duplicate cluster 'a'"],
    );
}

#[test]
fn all_problems_are_found_at_once() {
    let text = changed(MINIMAL, "{status: 204}", "{status: 1}");
    let text = changed(&text, "port_value: 0", "port_value: 70000");
    let text = changed(&text, "stat_prefix: web", "stat_prefix: ''");
    assert_eq!(bootstrap_problems(&text).len(), 3);
}
