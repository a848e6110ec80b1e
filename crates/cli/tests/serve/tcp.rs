//! Plugins in front of a TCP proxy.

use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, refused, until};

const LONG: Duration = Duration::from_secs(30);

/// A plugin with these callbacks. `$set` writes what is at 16, `up:`, in front of a buffer.
pub(crate) fn guest(callbacks: &str) -> String {
    let code = wat::parse_str(format!(
        r#"(module
            (import "env" "proxy_log" (func $proxy_log (param i32 i32 i32) (result i32)))
            (import "env" "proxy_set_buffer_bytes" (func $set_buffer (param i32 i32 i32 i32 i32) (result i32)))
            (memory (export "memory") 1)
            (data (i32.const 16) "up:closed done")
            (func (export "proxy_abi_version_0_2_1"))
            (func (export "malloc") (param i32) (result i32) (i32.const 1024))
            (func $log (param i32 i32)
                (drop (call $proxy_log (i32.const 2) (local.get 0) (local.get 1))))
            (func $set (param $buffer i32)
                (drop (call $set_buffer (local.get $buffer) (i32.const 0) (i32.const 0) (i32.const 16) (i32.const 3))))
            {callbacks})"#
    ));
    BASE64_STANDARD.encode(code.unwrap())
}

/// Writes `up:` in front of what the server sends, and logs the end of each connection.
pub(crate) fn marker() -> String {
    guest(
        r#"(func (export "proxy_on_upstream_data") (param i32 i32 i32) (result i32)
                (if (local.get 1) (then (call $set (i32.const 3))))
                (i32.const 0))
            (func (export "proxy_on_downstream_connection_close") (param i32 i32)
                (call $log (i32.const 19) (i32.const 6)))
            (func (export "proxy_on_done") (param i32) (result i32)
                (call $log (i32.const 26) (i32.const 4))
                (i32.const 1))"#,
    )
}

struct Config<'a> {
    guests: &'a [String],
    runtime: &'a str,
    /// None for a cluster without hosts.
    upstream: Option<u16>,
    /// More fields of the proxy and of the plugins, in flow style.
    proxy: &'a str,
    plugin: &'a str,
}

impl Config<'_> {
    fn yaml(&self) -> String {
        let plugins: String = self
            .guests
            .iter()
            .map(|code| {
                format!(
                    r#"      - name: envoy.filters.network.wasm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm
          config: {{name: tap, vm_config: {{runtime: {}, code: {{local: {{inline_bytes: "{code}"}}}}}}{}}}
"#,
                    self.runtime, self.plugin
                )
            })
            .collect();
        let hosts = self.upstream.map(|port| {
            format!(
                "{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}}}}}]}}"
            )
        });
        format!(
            r#"
admin: {{address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}}}
static_resources:
  listeners:
  - name: main
    address: {{socket_address: {{address: 127.0.0.1, port_value: 0}}}}
    per_connection_buffer_limit_bytes: 4096
    filter_chains:
    - filters:
{plugins}      - name: envoy.filters.network.tcp_proxy
        typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: ingress, cluster: up{}}}
  clusters:
  - name: up
    load_assignment: {{cluster_name: up, endpoints: [{}]}}
"#,
            self.proxy,
            hosts.unwrap_or_default()
        )
    }
}

fn config(runtime: &str, guests: &[String], upstream: u16) -> String {
    Config {
        guests,
        runtime,
        upstream: Some(upstream),
        proxy: "",
        plugin: "",
    }
    .yaml()
}

/// A server that sends back what it gets, to the end.
pub(crate) async fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
                let _ = to.shutdown().await;
            });
        }
    });
    port
}

pub(crate) async fn connect(address: SocketAddr) -> TcpStream {
    TcpStream::connect(address).await.unwrap()
}

/// Exactly this comes next.
pub(crate) async fn gets(stream: &mut TcpStream, text: &str) {
    let mut read = vec![0; text.len()];
    timeout(LONG, stream.read_exact(&mut read))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&read), text);
}

/// Everything to the end, which may be a reset.
pub(crate) async fn rest(stream: &mut TcpStream) -> Vec<u8> {
    let mut read = Vec::new();
    let _ = timeout(LONG, stream.read_to_end(&mut read))
        .await
        .expect("no end");
    read
}

#[tokio::test]
async fn bytes_pass_plugins_in_both_directions() {
    let port = echo().await;
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start_with(
            &config(runtime, &[marker(), marker()], port),
            &["--concurrency", "1"],
        );
        let mut client = connect(server.address).await;
        client.write_all(b"hello").await.unwrap();
        gets(&mut client, "up:up:hello").await;
        assert_eq!(server.stat("tcp.ingress.downstream_cx_active"), 1);
        client.write_all(b"again").await.unwrap();
        gets(&mut client, "up:up:again").await;
        // Half of it is closed, and what is on its way still comes.
        client.write_all(b"last").await.unwrap();
        client.shutdown().await.unwrap();
        assert_eq!(rest(&mut client).await, b"up:up:last");
        until("over", || server.stat("tcp.ingress.downstream_cx_active") == 0).await;
        assert_eq!(server.stat("tcp.ingress.downstream_cx_total"), 1);
        assert_eq!(server.stat("tcp.ingress.downstream_cx_rx_bytes_total"), 14);
        assert_eq!(server.stat("tcp.ingress.downstream_cx_tx_bytes_total"), 14 + 18);
        let log = server.log();
        assert_eq!(log.matches("wasm log tap: closed").count(), 2, "{log}");
        assert_eq!(log.matches("wasm log tap: done").count(), 2, "{log}");
        until("without streams", || server.stat("wasm.streams_active") == 0).await;
    }
}

#[tokio::test]
async fn many_bytes_pass_a_plugin_that_pauses() {
    let port = echo().await;
    // Waits until its buffer is full, or for the end.
    let guest = guest(
        r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32)
                (i32.and
                    (i32.lt_u (local.get 1) (i32.const 4096))
                    (i32.eqz (local.get 2))))"#,
    );
    let server = Server::start(&config(any_runtime(), &[guest], port));
    let sent: Vec<u8> = (0..5_000_001_u32).map(|n| (n % 251) as u8).collect();
    let mut clients = Vec::new();
    for _ in 0..4 {
        let (mut from, mut to) = connect(server.address).await.into_split();
        let sent = sent.clone();
        clients.push(tokio::spawn(async move {
            let expected = sent.clone();
            let sending = tokio::spawn(async move {
                to.write_all(&sent).await.unwrap();
                to.shutdown().await.unwrap();
                to
            });
            let mut read = Vec::new();
            timeout(LONG, from.read_to_end(&mut read)).await.unwrap().unwrap();
            drop(sending.await.unwrap());
            assert!(read == expected, "{} bytes came back", read.len());
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_closes_the_connection() {
    let cases = [
        (
            Some(9),
            ", max_connect_attempts: 3",
            "upstream_cx_connect_fail",
            3,
        ),
        (None, ", max_connect_attempts: 3", "upstream_cx_none_healthy", 1),
    ];
    for (upstream, proxy, stat, count) in cases {
        let config = Config {
            guests: &[marker()],
            runtime: any_runtime(),
            upstream,
            proxy,
            plugin: "",
        };
        let server = Server::start(&config.yaml());
        let mut client = connect(server.address).await;
        assert_eq!(rest(&mut client).await, b"");
        assert_eq!(server.stat(&format!("tcp.ingress.{stat}")), count);
        assert_eq!(server.stat("tcp.ingress.downstream_cx_no_route"), 0);
        until("said", || server.log().contains("wasm log tap: closed")).await;
    }
}

#[tokio::test]
async fn a_connection_without_bytes_is_closed() {
    let config = Config {
        guests: &[marker()],
        runtime: any_runtime(),
        upstream: Some(echo().await),
        proxy: ", idle_timeout: 1s",
        plugin: "",
    };
    let server = Server::start(&config.yaml());
    let mut client = connect(server.address).await;
    client.write_all(b"a").await.unwrap();
    assert_eq!(rest(&mut client).await, b"up:a");
    until("counted", || server.stat("tcp.ingress.idle_timeout") == 1).await;
    until("said", || server.log().contains("wasm log tap: done")).await;
}

#[tokio::test]
async fn either_side_may_break_off() {
    // Resets each connection once it has a byte of it.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let resetting = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let _ = stream.read_u8().await;
            reset(stream);
        }
    });
    for (port, by_client) in [(echo().await, true), (resetting, false)] {
        let server = Server::start(&config(any_runtime(), &[marker()], port));
        let mut client = connect(server.address).await;
        client.write_all(b"a").await.unwrap();
        if by_client {
            gets(&mut client, "up:a").await;
            reset(client);
        } else {
            assert_eq!(rest(&mut client).await, b"");
        }
        until("over", || server.stat("tcp.ingress.downstream_cx_active") == 0).await;
        assert!(server.log().contains("wasm log tap: done"), "{}", server.log());
        until("without streams", || server.stat("wasm.streams_active") == 0).await;
    }
}

fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
}

#[tokio::test]
async fn a_crash_closes_the_connection_and_the_server_lives() {
    let crash =
        guest(r#"(func (export "proxy_on_downstream_data") (param i32 i32 i32) (result i32) unreachable)"#);
    let port = echo().await;
    for (policy, opens) in [("", false), (", failure_policy: FAIL_OPEN", true)] {
        let config = Config {
            guests: std::slice::from_ref(&crash),
            runtime: any_runtime(),
            upstream: Some(port),
            proxy: "",
            plugin: policy,
        };
        let server = Server::start_with(&config.yaml(), &["--concurrency", "1"]);
        for first in [true, false] {
            let mut client = connect(server.address).await;
            let _ = client.write_all(b"in").await;
            let _ = client.shutdown().await;
            let expected: &[u8] = if opens && !first { b"in" } else { b"" };
            assert_eq!(rest(&mut client).await, expected);
        }
        assert!(server.is_ready());
        until("counted", || server.stat("wasm.tap.crashes") == 1).await;
    }
}

#[tokio::test]
async fn connections_go_on_while_the_server_drains() {
    let port = echo().await;
    let text = config(any_runtime(), &[marker()], port);
    let mut server = Server::start(&text);
    let mut client = connect(server.address).await;
    client.write_all(b"a").await.unwrap();
    gets(&mut client, "up:a").await;
    server.terminate();
    until("draining", || is_refused(server.address)).await;
    client.write_all(b"b").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(rest(&mut client).await, b"up:b");
    assert_eq!(server.ended(), Some(0), "{}", server.log());

    let mut server = Server::start_with(&text, &["--drain-timeout", "1"]);
    let mut client = connect(server.address).await;
    client.write_all(b"a").await.unwrap();
    gets(&mut client, "up:a").await;
    server.terminate();
    assert_eq!(rest(&mut client).await, b"");
    assert_eq!(server.ended(), Some(0), "{}", server.log());
    let log = server.log();
    assert!(log.contains("cut after the drain timeout"), "{log}");
    // The plugin hears of it all the same.
    assert!(log.contains("wasm log tap: done"), "{log}");
}

/// Nobody listens there any more.
fn is_refused(address: SocketAddr) -> bool {
    std::net::TcpStream::connect(address).is_err()
}

#[test]
fn plugins_in_front_of_http_are_refused_by_name() {
    let http = crate::config::config(&[], &[1], false);
    let tcp = config(any_runtime(), &[marker()], 1);
    let (_, plugin) = tcp.split_once("    - filters:\n").unwrap();
    let (plugin, _) = plugin
        .split_once("      - name: envoy.filters.network.tcp_proxy")
        .unwrap();
    let both = http.replacen("    - filters:\n", &format!("    - filters:\n{plugin}"), 1);
    let ended = refused(&both);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended
            .stderr
            .contains("in front of an HttpConnectionManager are not supported"),
        "{}",
        ended.stderr
    );
}
