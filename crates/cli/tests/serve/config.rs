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
    /// More fields of `PluginConfig`, in flow style.
    pub(crate) more: &'static str,
}

impl Plugin {
    pub(crate) fn new(runtime: &'static str, name: &'static str) -> Self {
        Plugin {
            runtime,
            name,
            file: guest(name),
            configuration: "",
            more: "",
        }
    }

    fn yaml(&self) -> String {
        let Plugin {
            runtime,
            name,
            file,
            configuration,
            more,
        } = self;
        let file = file.display();
        let configuration = configuration.replace('\'', "''");
        format!(
            r#"          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: {name}
                vm_config:
                  runtime: {runtime}
                  code: {{local: {{filename: "{file}"}}}}
                configuration: {{"@type": type.googleapis.com/google.protobuf.StringValue, value: '{configuration}'}}
                {more}
"#
        )
    }
}

/// A configuration: `/direct` is answered by the server, `/dead` goes to a port where nobody listens, `/none` to
/// a cluster without hosts, `/slow` and everything else to the upstreams, `/slow` for half a second at most.
pub(crate) fn config(plugins: &[Plugin], upstreams: &[u16], http2: bool) -> String {
    let plugins: String = plugins.iter().map(Plugin::yaml).collect();
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
    format!(
        r#"
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
  - name: main
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
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
  clusters:
  - name: dead
    load_assignment: {{cluster_name: dead, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 9}}}}}}}}]}}]}}
  - name: none
  - name: up
    {http2}
    load_assignment: {{cluster_name: up, endpoints: [{{lb_endpoints: [{endpoints}]}}]}}
"#
    )
}
