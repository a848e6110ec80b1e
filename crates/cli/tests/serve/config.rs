//! Configurations for the tests.

use std::path::PathBuf;

/// A committed guest.
pub(crate) fn guest(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../tests/guests/wasm/{name}.wasm"))
}

/// A plugin of a configuration.
#[derive(Clone)]
pub(crate) struct Plugin {
    pub(crate) runtime: &'static str,
    pub(crate) name: &'static str,
    pub(crate) file: PathBuf,
    pub(crate) configuration: &'static str,
    /// More fields of `VmConfig` and of `PluginConfig`, in flow style.
    pub(crate) vm: &'static str,
    pub(crate) more: &'static str,
}

impl Plugin {
    pub(crate) fn new(runtime: &'static str, name: &'static str) -> Self {
        Plugin {
            runtime,
            name,
            file: guest(name),
            configuration: "",
            vm: "",
            more: "",
        }
    }

    pub(crate) fn configured(runtime: &'static str, name: &'static str, configuration: &'static str) -> Self {
        Plugin {
            configuration,
            ..Plugin::new(runtime, name)
        }
    }

    /// An entry of a list of filters or access logs; `kind` is between `envoy.` and `wasm`.
    fn entry(&self, kind: &str) -> String {
        let Plugin {
            runtime,
            name,
            file,
            configuration,
            vm,
            more,
        } = self;
        // What Rust escapes in texts as simple as these, YAML does in the same way.
        format!(
            "{{name: envoy.{kind}.wasm, typed_config: {{\"@type\": {TYPES}envoy.extensions.{kind}.wasm.v3.{message}, \
             config: {{name: {name}, vm_config: {{runtime: {runtime}, code: {{local: {{filename: {file:?}}}}}, {vm}}}, \
             configuration: {{\"@type\": {TYPES}google.protobuf.StringValue, value: {configuration:?}}}, {more}}}}}}}",
            message = if kind == LOGGER { "WasmAccessLog" } else { "Wasm" },
        )
    }
}

const TYPES: &str = "type.googleapis.com/";
const LOGGER: &str = "access_loggers";

/// Lines of a list, one for each plugin, so far to the right.
fn list(plugins: &[Plugin], kind: &str, indent: usize) -> String {
    let lines = plugins.iter().map(|plugin| plugin.entry(kind));
    lines.map(|entry| format!("{:indent$}- {entry}\n", "")).collect()
}

/// What makes plugins stats sinks, to stand in front of a configuration.
pub(crate) fn stats_sinks(plugins: &[Plugin]) -> String {
    format!("stats_sinks:\n{}", list(plugins, "stat_sinks", 0))
}

/// A listener for HTTP: `/direct` is answered by the server, `/dead` goes to a port where nobody listens, `/none` to
/// a cluster without hosts, `/slow` and everything else to the cluster `up`, `/slow` for half a second at most.
pub(crate) fn http_listener(name: &str, plugins: &[Plugin], loggers: &[Plugin]) -> String {
    let plugins = list(plugins, "filters.http", 10);
    let loggers = match loggers {
        [] => String::new(),
        loggers => format!("          access_log:\n{}", list(loggers, LOGGER, 10)),
    };
    format!(
        r#"  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
{loggers}          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{path: "/direct"}}
                direct_response: {{status: 200, body: {{inline_string: "hello"}}}}
              - match: {{prefix: "/dead"}}
                route: {{cluster: dead}}
              - match: {{prefix: "/none"}}
                route: {{cluster: none}}
              - match: {{prefix: "/slow"}}
                route: {{cluster: up, timeout: 0.5s}}
              - match: {{prefix: "/rewritten/"}}
                route: {{cluster: up, prefix_rewrite: "/", host_rewrite_literal: up.example}}
              - match: {{prefix: "/"}}
                route: {{cluster: up}}
          http_filters:
{plugins}          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"#
    )
}

/// A listener for TCP, whose connections go to the cluster `up`.
pub(crate) fn tcp_listener(name: &str, plugins: &[Plugin], loggers: &[Plugin]) -> String {
    let plugins = list(plugins, "filters.network", 6);
    let loggers: Vec<String> = loggers.iter().map(|logger| logger.entry(LOGGER)).collect();
    format!(
        r#"  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
{plugins}      - name: envoy.filters.network.tcp_proxy
        typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: tcp, cluster: up, access_log: [{}]}}
"#,
        loggers.join(", ")
    )
}

/// A configuration of one listener for HTTP, `main`.
pub(crate) fn config(plugins: &[Plugin], upstreams: &[u16], http2: bool) -> String {
    bootstrap(&[http_listener("main", plugins, &[])], upstreams, http2)
}

/// A configuration of these listeners.
pub(crate) fn bootstrap(listeners: &[String], upstreams: &[u16], http2: bool) -> String {
    let endpoints: Vec<String> = upstreams
        .iter()
        .map(|port| {
            format!(
                "{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}"
            )
        })
        .collect();
    let endpoints = endpoints.join(", ");
    let http2 = if http2 { "http2_protocol_options: {}" } else { "" };
    let listeners = listeners.concat();
    format!(
        r#"
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
{listeners}  clusters:
  - name: dead
    load_assignment: {{cluster_name: dead, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 9}}}}}}}}]}}]}}
  - name: none
  - name: up
    {http2}
    load_assignment: {{cluster_name: up, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}
"#
    )
}
