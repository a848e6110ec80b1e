//! The configuration that both servers read.

use std::path::Path;

/// The Wasm filters in front of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filters<'a> {
    /// `wasmtime`, `v8`, …: the last part of the runtime's name.
    pub runtime: &'a str,
    /// The module, or the shared library of a native plugin.
    pub code: &'a Path,
    /// How many of them there are, one behind the other.
    pub count: usize,
}

/// A bootstrap with one listener, which answers everything with six bytes. Ports are chosen by the system.
pub(super) fn bootstrap(filters: Option<&Filters<'_>>) -> String {
    let filters = filters.map_or_else(String::new, |filters| {
        (0..filters.count).map(|index| filter(filters, index)).collect()
    });
    format!(
        r#"admin:
  address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
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
              - match: {{prefix: "/"}}
                direct_response: {{status: 200, body: {{inline_string: "hello\n"}}}}
          http_filters:
{filters}          - name: envoy.filters.http.router
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
"#
    )
}

fn filter(filters: &Filters<'_>, index: usize) -> String {
    let Filters { runtime, code, .. } = filters;
    // A native plugin's code is its name, and a library's name is its path.
    let code = match *runtime {
        "null" => format!("{{inline_string: {:?}}}", code.display().to_string()),
        _ => format!("{{filename: {:?}}}", code.display().to_string()),
    };
    format!(
        r#"          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: filter_{index}
                root_id: filter_{index}
                vm_config:
                  runtime: envoy.wasm.runtime.{runtime}
                  code: {{local: {code}}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_filter_has_a_name_of_its_own_and_only_the_runtime_differs() {
        let of = |runtime| {
            bootstrap(Some(&Filters {
                runtime,
                code: Path::new("/a/b.wasm"),
                count: 2,
            }))
        };
        let (ours, envoys) = (of("wasmtime"), of("v8"));
        assert_eq!(ours.replace("wasmtime", "v8"), envoys);
        assert!(ours.contains("name: filter_0\n") && ours.contains("name: filter_1\n"));
        assert_eq!(ours.matches(r#"filename: "/a/b.wasm""#).count(), 2);
        assert!(of("null").contains(r#"local: {inline_string: "/a/b.wasm"}"#));
        assert!(!bootstrap(None).contains("wasm.v3"));
    }
}
