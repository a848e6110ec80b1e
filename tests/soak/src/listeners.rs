//! The listeners of the server, each with plugins of its own, and its configuration.

use std::path::PathBuf;

/// A listener by what its plugins do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Listener {
    /// Looks at everything and answers nothing itself: headers, trailers, shared data, queues, metrics, timers.
    Observe,
    /// Refuses requests without a token, holds the bodies of others and replaces them.
    Rewrite,
    /// Two calls to an upstream that sometimes fails.
    Callout,
    /// Two calls that are often too slow.
    LateCallout,
    /// Two calls to an upstream that is not there.
    DeadCallout,
    /// gRPC calls and streams.
    Grpc,
    /// gRPC calls that are never answered.
    LateGrpc,
}

impl Listener {
    pub(crate) const ALL: [Listener; 7] = [
        Listener::Observe,
        Listener::Rewrite,
        Listener::Callout,
        Listener::LateCallout,
        Listener::DeadCallout,
        Listener::Grpc,
        Listener::LateGrpc,
    ];

    /// Also its `stat_prefix`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Listener::Observe => "observe",
            Listener::Rewrite => "rewrite",
            Listener::Callout => "callout",
            Listener::LateCallout => "late_callout",
            Listener::DeadCallout => "dead_callout",
            Listener::Grpc => "grpc",
            Listener::LateGrpc => "late_grpc",
        }
    }

    /// Guests in their order, and how each is configured.
    fn plugins(self) -> Vec<(&'static str, &'static str)> {
        match self {
            Listener::Observe => vec![
                ("header_filter", ""),
                ("queue_consumer", ""),
                ("queue_producer", ""),
                ("shared", ""),
                ("metrics", ""),
                ("ticker", "20"),
                (
                    "properties",
                    "request.path\nrequest.headers.user-agent\nresponse.code\nsource.address\nsoak.mark=1\nsoak.mark",
                ),
                ("trailers", ""),
                ("noop", ""),
            ],
            Listener::Rewrite => vec![("auth", ""), ("body_rewrite", "")],
            Listener::Callout => vec![
                (
                    "callout",
                    r#"{"cluster": "http1", "paths": ["/mixed", "/mixed"], "timeout_ms": 5000}"#,
                ),
                (
                    "callout",
                    r#"{"cluster": "http2", "paths": ["/delay?3", "/flood?20000"], "timeout_ms": 5000}"#,
                ),
            ],
            Listener::LateCallout => vec![(
                "callout",
                r#"{"cluster": "http2", "paths": ["/late", "/late"], "timeout_ms": 150}"#,
            )],
            Listener::DeadCallout => vec![("callout", r#"{"cluster": "dead"}"#)],
            Listener::Grpc => vec![("grpc_callout", r#"{"timeout_ms": 5000}"#)],
            Listener::LateGrpc => vec![("grpc_callout", r#"{"unary": "Never", "timeout_ms": 100}"#)],
        }
    }
}

/// Where the upstreams listen.
#[derive(Clone, Copy)]
pub(crate) struct Ports {
    pub(crate) http1: u16,
    pub(crate) http2: u16,
    pub(crate) grpc: u16,
    pub(crate) tcp: u16,
}

const ROUTES: &str = r#"
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {path: "/direct"}
                direct_response: {status: 200, body: {inline_string: "hello"}}
              - {match: {prefix: "/1/"}, route: {cluster: http1, prefix_rewrite: "/"}}
              - {match: {prefix: "/2/"}, route: {cluster: http2, prefix_rewrite: "/"}}
              - {match: {prefix: "/brief/"}, route: {cluster: http1, prefix_rewrite: "/", timeout: 0.1s}}
              - {match: {prefix: "/dead"}, route: {cluster: dead}}
"#;

/// The configuration of the server: [`Listener::ALL`], then a TCP listener that works and one without an upstream, with
/// plugins on this runtime.
pub(crate) fn config(runtime: &str, ports: Ports) -> String {
    let http = Listener::ALL.iter().map(|one| listener(*one, runtime));
    let tcp =
        [("tcp", "tcp"), ("dead_tcp", "dead")].map(|(name, cluster)| tcp_listener(name, cluster, runtime));
    let listeners: String = http.chain(tcp).collect();
    let clusters: String = [
        ("http1", ports.http1, ""),
        ("http2", ports.http2, "http2_protocol_options: {}"),
        ("grpc", ports.grpc, "http2_protocol_options: {}"),
        ("tcp", ports.tcp, ""),
        // Discard: nobody listens there.
        ("dead", 9, ""),
    ]
    .iter()
    .map(|(name, port, more)| cluster(name, *port, more))
    .collect();
    format!(
        "admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}\nstatic_resources:\n  \
         listeners:\n{listeners}  clusters:\n{clusters}"
    )
}

fn listener(listener: Listener, runtime: &str) -> String {
    let name = listener.name();
    let plugins: String = listener
        .plugins()
        .iter()
        .map(|(guest, configuration)| {
            format!(
                r#"          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config: {}
"#,
                plugin(guest, configuration, runtime)
            )
        })
        .collect();
    let log = if listener == Listener::Observe {
        format!(
            r#"          access_log:
          - name: envoy.access_loggers.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.wasm.v3.WasmAccessLog
              config: {}
"#,
            plugin("access_log", "", runtime)
        )
    } else {
        String::new()
    };
    format!(
        r#"  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: {name}
{log}{}
          http_filters:
{plugins}          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
"#,
        ROUTES.trim_matches('\n')
    )
}

fn tcp_listener(name: &str, cluster: &str, runtime: &str) -> String {
    format!(
        r#"  - name: {name}
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.wasm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm
          config: {}
      - name: envoy.filters.network.tcp_proxy
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy
          stat_prefix: {name}
          cluster: {cluster}
"#,
        plugin("tcp_tap", r#"{"upper": true, "close_on": "quit"}"#, runtime)
    )
}

fn plugin(guest: &str, configuration: &str, runtime: &str) -> String {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../guests/wasm/{guest}.wasm"));
    let vm_id = if guest == "queue_consumer" {
        "consumer"
    } else {
        guest
    };
    format!(
        "{{name: {guest}, vm_config: {{vm_id: {vm_id}, runtime: {runtime}, code: {{local: {{filename: {file:?}}}}}}}, \
         configuration: {{\"@type\": type.googleapis.com/google.protobuf.StringValue, value: {configuration:?}}}}}"
    )
}

fn cluster(name: &str, port: u16, more: &str) -> String {
    format!(
        "  - name: {name}\n    {more}\n    load_assignment: {{cluster_name: {name}, endpoints: [{{lb_endpoints: \
         [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}]}}\n"
    )
}
