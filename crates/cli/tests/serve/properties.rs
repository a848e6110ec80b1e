//! What plugins learn of the server: routes, clusters, upstreams, the node.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use http::Version;
use tokio::io::AsyncWriteExt;

use crate::client::{Client, post};
use crate::config::{Plugin, bootstrap, tcp_listener};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::Server;
use crate::{tcp, upstream};

/// A guest that logs `PHASE PATH = VALUE` for each path in each phase, `VALUE` in hexadecimal or `none`, and sets its own
/// name as the property `by.NAME`. Paths have slashes.
fn guest(folder: &Path, name: &str, phases: &[&str], paths: &[&str]) -> PathBuf {
    let mut data = String::new();
    let mut next = 4096;
    let mut text = |text: &str| {
        let at = next;
        next += text.len();
        let bytes: String = text.bytes().fold(String::new(), |mut all, byte| {
            write!(all, "\\{byte:02x}").unwrap();
            all
        });
        writeln!(data, "(data (i32.const {at}) \"{bytes}\")").unwrap();
        format!("(i32.const {at}) (i32.const {})", text.len())
    };
    let mut body = String::new();
    for phase in phases {
        let (params, result, end) = match *phase {
            "configure" => ("(param i32 i32)", "(result i32)", "(i32.const 1)"),
            "log" => ("(param i32)", "", ""),
            _ => ("(param i32 i32 i32)", "(result i32)", "(i32.const 0)"),
        };
        let mut code = String::new();
        if *phase == "request_headers" {
            let (path, value) = (text(&format!("by\0{name}")), text(name));
            writeln!(code, "(drop (call $set {path} {value}))").unwrap();
        }
        for path in paths {
            let (key, label) = (
                text(&path.replace('/', "\0")),
                text(&format!("{phase} {path} = ")),
            );
            writeln!(code, "(call $show {key} {label})").unwrap();
        }
        writeln!(
            body,
            "(func (export \"proxy_on_{phase}\") {params} {result} {code} {end})"
        )
        .unwrap();
    }
    let none = text("none");
    let module = format!(
        r#"(module
  (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
  (import "env" "proxy_get_property" (func $get (param i32 i32 i32 i32) (result i32)))
  (import "env" "proxy_set_property" (func $set (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 32)
  (global $to (mut i32) (i32.const 0))
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1048576))
  (func $put (param i32)
    (i32.store8 (global.get $to) (local.get 0))
    (global.set $to (i32.add (global.get $to) (i32.const 1))))
  (func $digit (param i32)
    (call $put (i32.add (local.get 0)
      (select (i32.const 87) (i32.const 48) (i32.gt_u (local.get 0) (i32.const 9))))))
  (func $copy (param $from i32) (param $len i32) (param $hex i32)
    (block (loop
      (br_if 1 (i32.eqz (local.get $len)))
      (if (local.get $hex)
        (then
          (call $digit (i32.shr_u (i32.load8_u (local.get $from)) (i32.const 4)))
          (call $digit (i32.and (i32.load8_u (local.get $from)) (i32.const 15))))
        (else (call $put (i32.load8_u (local.get $from)))))
      (local.set $from (i32.add (local.get $from) (i32.const 1)))
      (local.set $len (i32.sub (local.get $len) (i32.const 1)))
      (br 0))))
  (func $show (param $path i32) (param $len i32) (param $label i32) (param $label_len i32)
    (global.set $to (i32.const 524288))
    (call $copy (local.get $label) (local.get $label_len) (i32.const 0))
    (if (call $get (local.get $path) (local.get $len) (i32.const 0) (i32.const 4))
      (then (call $copy {none} (i32.const 0)))
      (else (call $copy (i32.load (i32.const 0)) (i32.load (i32.const 4)) (i32.const 1))))
    (drop (call $log (i32.const 2) (i32.const 524288)
      (i32.sub (global.get $to) (i32.const 524288)))))
  {body} {data})"#
    );
    let file = folder.join(format!("{name}.wasm"));
    std::fs::write(&file, wat::parse_str(module).unwrap()).unwrap();
    file
}

fn config(runtime: &str, plugins: &[(&str, PathBuf)], port: u16) -> String {
    let filters: String = plugins
        .iter()
        .map(|(name, file)| {
            format!(
                r#"          - name: envoy.filters.http.wasm
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm
              config:
                name: {name}
                root_id: root-{name}
                vm_config: {{vm_id: vm-{name}, runtime: {runtime}, code: {{local: {{filename: "{}"}}}}}}
"#,
                file.display()
            )
        })
        .collect();
    format!(
        r#"
node: {{id: node-1, cluster: edge, metadata: {{team: blue}}, locality: {{region: eu}}}}
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
  - name: main
    traffic_direction: INBOUND
    metadata: {{filter_metadata: {{own: {{of: listener}}}}}}
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    filter_chains:
    - name: chain
      filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              metadata: {{filter_metadata: {{own: {{of: host}}}}}}
              routes:
              - match: {{path: "/direct"}}
                name: answers
                direct_response: {{status: 201, body: {{inline_string: "hello"}}}}
              - match: {{prefix: "/dead"}}
                route: {{cluster: dead}}
              - match: {{prefix: "/up"}}
                name: forwards
                metadata: {{filter_metadata: {{own: {{of: route}}}}}}
                route: {{cluster: up}}
          http_filters:
{filters}          - name: envoy.filters.http.router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}
  clusters:
  - name: dead
    load_assignment: {{cluster_name: dead, endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 9}}}}}}}}]}}]}}
  - name: up
    metadata: {{filter_metadata: {{own: {{of: cluster}}}}}}
    load_assignment:
      cluster_name: up
      endpoints:
      - locality: {{region: near, zone: z}}
        metadata: {{filter_metadata: {{own: {{of: place}}}}}}
        lb_endpoints:
        - endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}
          metadata: {{filter_metadata: {{own: {{of: endpoint}}}}}}
"#
    )
}

/// What the guest called `name` logged, as `PHASE PATH`, in order; only of the last request if there were several.
struct Seen(Vec<(String, Option<Vec<u8>>)>);

impl Seen {
    fn of(server: &Server) -> Self {
        let lines = server.log();
        let lines = lines.lines().filter_map(|line| line.split_once(" = "));
        Seen(
            lines
                .filter_map(|(before, value)| {
                    let key = before.rsplit_once(": ")?.1.to_owned();
                    let digit = |at: usize| u8::from_str_radix(&value[at..at + 2], 16).unwrap();
                    let bytes = || (0..value.len()).step_by(2).map(digit).collect();
                    Some((key, (value != "none").then(bytes)))
                })
                .collect(),
        )
    }

    fn value(&self, key: &str) -> Option<&[u8]> {
        let found = self.0.iter().rev().find(|(known, _)| known == key);
        found
            .unwrap_or_else(|| panic!("{key} was not logged"))
            .1
            .as_deref()
    }

    #[track_caller]
    fn is(&self, key: &str, text: &str) {
        let found = self.value(key).map(String::from_utf8_lossy);
        assert_eq!(found.as_deref(), Some(text), "{key}");
    }

    #[track_caller]
    fn is_int(&self, key: &str, number: i64) {
        assert_eq!(self.value(key), Some(&number.to_le_bytes()[..]), "{key}");
    }

    #[track_caller]
    fn is_not(&self, key: &str) {
        assert_eq!(self.value(key), None, "{key}");
    }
}

/// The log is written by the server's own threads: waits for the last line of a request.
fn seen_to(server: &Server, last: &str, times: usize) -> Seen {
    for _ in 0..500 {
        let seen = Seen::of(server);
        if seen.0.iter().filter(|(key, _)| key == last).count() >= times {
            return seen;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("no {last} in\n{}", server.log());
}

const PATHS: &[&str] = &[
    "route_name",
    "xds/route_name",
    "xds/route_metadata/filter_metadata/own/of",
    "xds/virtual_host_name",
    "xds/virtual_host_metadata/filter_metadata/own/of",
    "cluster_name",
    "cluster_metadata/filter_metadata/own/of",
    "cluster_metadata",
    "listener_direction",
    "listener_metadata/filter_metadata/own/of",
    "xds/filter_chain_name",
    "node/id",
    "xds/node/cluster",
    "node/metadata/team",
    "node/locality/region",
    "plugin_name",
    "plugin_root_id",
    "plugin_vm_id",
    "upstream/address",
    "upstream/port",
    "upstream/num_endpoints",
    "upstream/local_address",
    "upstream/cx_pool_ready_duration",
    "upstream/tls_version",
    "upstream/request_attempt_count",
    "upstream/transport_failure_reason",
    "upstream/locality/zone",
    "upstream/locality",
    "upstream_host_metadata/filter_metadata/own/of",
    "xds/upstream_host_locality_metadata/filter_metadata/own/of",
    "response/code",
    "response/code_details",
    "response/flags",
    "response/size",
    "response/backend_latency",
    "request/size",
    "source/address",
    "destination/port",
    "connection/id",
    "connection/mtls",
];

#[tokio::test]
async fn plugins_know_where_a_request_goes() {
    let port = upstream::start("a", Version::HTTP_11).await;
    for runtime in RUNTIMES {
        let folder = tempfile::tempdir().unwrap();
        let phases = ["configure", "request_headers", "response_headers", "log"];
        let file = guest(folder.path(), "a", &phases, PATHS);
        let server = Server::start(&config(runtime, &[("a", file)], port));
        let mut client = Client::http1(server.address).await;

        let answer = client.send(post("/up/echo?x", "body")).await.unwrap();
        let seen = seen_to(&server, "log connection/mtls", 1);
        for phase in ["request_headers", "response_headers", "log"] {
            let is = |path: &str, text: &str| seen.is(&format!("{phase} {path}"), text);
            is("route_name", "forwards");
            is("xds/route_name", "forwards");
            is("xds/route_metadata/filter_metadata/own/of", "route");
            is("xds/virtual_host_name", "all");
            is("xds/virtual_host_metadata/filter_metadata/own/of", "host");
            is("cluster_name", "up");
            is("cluster_metadata/filter_metadata/own/of", "cluster");
            is(
                "cluster_metadata",
                "\n\x18\n\x03own\x12\x11\n\x0f\n\x02of\x12\x09\x1a\x07cluster",
            );
            is("listener_metadata/filter_metadata/own/of", "listener");
            is("xds/filter_chain_name", "chain");
            is("node/id", "node-1");
            is("xds/node/cluster", "edge");
            is("node/metadata/team", "blue");
            is("node/locality/region", "eu");
            is("plugin_name", "a");
            is("plugin_root_id", "root-a");
            is("plugin_vm_id", "vm-a");
            seen.is_int(&format!("{phase} listener_direction"), 1);
            seen.is_int(&format!("{phase} upstream/num_endpoints"), 1);
            seen.is_int(&format!("{phase} request/size"), 4);
            seen.is_int(&format!("{phase} response/flags"), 0);
            let local = i64::from(server.address.port());
            seen.is_int(&format!("{phase} destination/port"), local);
            assert!(seen.value(&format!("{phase} source/address")).is_some());
            assert!(seen.value(&format!("{phase} connection/id")).is_some());
        }
        for phase in ["response_headers", "log"] {
            let is = |path: &str, text: &str| seen.is(&format!("{phase} {path}"), text);
            is("upstream/address", &format!("127.0.0.1:{port}"));
            is("upstream/transport_failure_reason", "");
            is("upstream/locality/zone", "z");
            is("upstream/locality", "\n\x04near\x12\x01z");
            is("upstream_host_metadata/filter_metadata/own/of", "endpoint");
            is(
                "xds/upstream_host_locality_metadata/filter_metadata/own/of",
                "place",
            );
            is("response/code_details", "via_upstream");
            seen.is_int(&format!("{phase} upstream/port"), i64::from(port));
            let local = seen.value(&format!("{phase} upstream/local_address")).unwrap();
            assert!(local.starts_with(b"127.0.0.1:"));
            assert!(
                seen.value(&format!("{phase} upstream/cx_pool_ready_duration"))
                    .is_some()
            );
            seen.is_not(&format!("{phase} upstream/tls_version"));
            seen.is_int(&format!("{phase} upstream/request_attempt_count"), 1);
        }
        seen.is_int("log response/size", answer.body.len() as i64);
        assert!(seen.value("log response/backend_latency").is_some());
        for path in [
            "upstream/address",
            "upstream/locality",
            "response/code",
            "response/code_details",
        ] {
            seen.is_not(&format!("request_headers {path}"));
        }
        seen.is_int("request_headers upstream/request_attempt_count", 0);
        // A root context knows the node and the plugin, and no stream.
        seen.is("configure node/id", "node-1");
        seen.is("configure xds/node/cluster", "edge");
        seen.is("configure plugin_name", "a");
        for path in [
            "route_name",
            "listener_direction",
            "connection/mtls",
            "response/flags",
        ] {
            seen.is_not(&format!("configure {path}"));
        }
    }
}

#[tokio::test]
async fn plugins_know_why_there_is_no_upstream() {
    let folder = tempfile::tempdir().unwrap();
    let file = guest(folder.path(), "a", &["response_headers", "log"], PATHS);
    let server = Server::start(&config(any_runtime(), &[("a", file)], 1));
    let mut client = Client::http1(server.address).await;

    assert_eq!(client.get("/direct").await.status, 201);
    let seen = seen_to(&server, "log connection/mtls", 1);
    seen.is("log response/code_details", "direct_response");
    seen.is("log route_name", "answers");
    seen.is_int("log response/flags", 0);
    seen.is_not("log cluster_name");
    seen.is_not("log upstream/num_endpoints");

    assert_eq!(client.get("/none").await.status, 404);
    let seen = seen_to(&server, "log connection/mtls", 2);
    seen.is("log response/code_details", "route_not_found");
    seen.is_int("log response/flags", 0x100);
    seen.is_not("log route_name");

    assert_eq!(client.get("/dead").await.status, 503);
    let seen = seen_to(&server, "log connection/mtls", 3);
    seen.is(
        "log response/code_details",
        "upstream_reset_before_response_started{remote_connection_failure}",
    );
    seen.is_int("log response/flags", 0x20);
    seen.is("log route_name", "");
    seen.is("log cluster_name", "dead");
    seen.is("log upstream/address", "127.0.0.1:9");
    seen.is("log upstream/transport_failure_reason", "delayed connect error");
    seen.is_not("log response/backend_latency");
}

#[tokio::test]
async fn plugins_see_what_others_set_in_this_request() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["by/a", "by/b", "filter_state/wasm.by/a"];
    let guests = ["a", "b"].map(|name| {
        (
            name,
            guest(folder.path(), name, &["request_headers", "log"], &paths),
        )
    });
    let server = Server::start(&config(any_runtime(), &guests, 1));
    let mut client = Client::http1(server.address).await;
    client.get("/direct").await;
    let seen = seen_to(&server, "log filter_state/wasm.by/a", 2);
    let all = |key: &str| {
        let of = seen.0.iter().filter(|(known, _)| known == key);
        of.map(|(_, value)| value.as_deref().map(<[u8]>::to_vec))
            .collect::<Vec<_>>()
    };
    let text = |text: &str| Some(text.as_bytes().to_vec());
    // `a` comes first in the request.
    assert_eq!(all("request_headers by/a"), [text("a"), text("a")]);
    assert_eq!(all("request_headers by/b"), [None, text("b")]);
    assert_eq!(all("log by/b"), [text("b"), text("b")]);
    assert_eq!(all("log filter_state/wasm.by/a"), [text("a"), text("a")]);
}

#[tokio::test]
async fn an_access_logger_knows_a_tcp_connection_that_is_over() {
    let port = tcp::echo().await;
    let folder = tempfile::tempdir().unwrap();
    let paths = [
        "source/address",
        "destination/port",
        "upstream/address",
        "upstream/local_address",
        "request/size",
        "response/size",
        "request/path",
        "plugin_name",
        "connection/id",
    ];
    let file = guest(folder.path(), "a", &["log"], &paths);
    for runtime in RUNTIMES.iter().copied() {
        let logger = Plugin {
            file: file.clone(),
            ..Plugin::new(runtime, "a")
        };
        let server = Server::start(&bootstrap(
            &[tcp_listener("main", &[], &[logger])],
            &[port],
            false,
        ));
        let mut client = tcp::connect(server.address).await;
        let local = client.local_addr().unwrap();
        client.write_all(b"bytes").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(tcp::rest(&mut client).await, b"bytes");
        let seen = seen_to(&server, "log connection/id", 1);
        seen.is("log source/address", &local.to_string());
        seen.is_int("log destination/port", i64::from(server.address.port()));
        seen.is("log upstream/address", &format!("127.0.0.1:{port}"));
        assert!(seen.value("log upstream/local_address").is_some());
        seen.is_int("log request/size", 5);
        seen.is_int("log response/size", 5);
        seen.is_not("log request/path");
        seen.is("log plugin_name", "a");
        assert!(seen.value("log connection/id").is_some());
        // Proved once, and then one for each worker.
        assert_eq!(server.stat(&format!("wasm.{runtime}.created")), 3);
    }
}
