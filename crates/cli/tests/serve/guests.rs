//! Plugins as the SDKs build them, of each version of the ABI.

use http::{HeaderMap, Request, Version};
use http_body_util::{BodyExt, Full};
use tokio::io::AsyncWriteExt;

use crate::client::{Client, get_with};
use crate::config::{Plugin, bootstrap, http_listener, tcp_listener};
use crate::runtimes::RUNTIMES;
use crate::server::{Server, until};
use crate::{tcp, upstream};

const PROPERTIES: &str = "word=set\nword\n/filter_state/wasm.word\nrequest.path\nplugin_name\nnothing";

#[tokio::test]
async fn http_filters_and_access_loggers() {
    let port = upstream::start("a", Version::HTTP_2).await;
    for runtime in RUNTIMES.iter().copied() {
        let plugin = |name| Plugin::new(runtime, name);
        let logs = plugin("access_log");
        let listeners = [
            http_listener("legacy", &[plugin("legacy")], &[]),
            http_listener("assembly", &[plugin("assemblyscript")], &[]),
            http_listener(
                "properties",
                &[Plugin::configured(runtime, "properties", PROPERTIES)],
                &[],
            ),
            http_listener("trailers", &[plugin("trailers")], &[]),
            http_listener("log", std::slice::from_ref(&logs), std::slice::from_ref(&logs)),
        ];
        let server = Server::start(&bootstrap(&listeners, &[port], true));

        let mut client = Client::http1(server.at("legacy")).await;
        let answer = client.get("/some").await;
        assert!(answer.text().contains("\nx-legacy: old\n"), "{}", answer.text());
        assert_eq!(answer.header("x-legacy"), Some("old"));
        assert_eq!(answer.header("x-missing"), Some("none"));

        let mut client = Client::http1(server.at("assembly")).await;
        let answer = client.get_with("/some", "x-user", "me").await;
        assert!(answer.text().contains("\nx-assembly: me\n"), "{}", answer.text());
        assert_eq!(answer.header("x-assembly"), Some("script"));
        let answer = client.get("/denied").await;
        assert_eq!((answer.status.as_u16(), answer.text()), (403, "denied\n"));

        let mut client = Client::http1(server.at("properties")).await;
        let answer = client.get("/direct?a").await;
        let shown: Vec<_> = answer.headers.get_all("x-property").iter().collect();
        assert_eq!(
            shown,
            [
                "word=set",
                "/filter_state/wasm.word=set",
                "request.path=/direct?a",
                "plugin_name=properties",
                "nothing none"
            ]
        );

        trailers(&server).await;

        let mut client = Client::http1(server.at("log")).await;
        client.get("/direct?logged").await;
        let line = "access_log: GET /direct?logged 200 ";
        until("logged twice", || server.log().matches(line).count() == 2).await;
        server.has_no_complaints();
    }
}

/// Both ways through the guest and an upstream that sends back the trailers it gets.
async fn trailers(server: &Server) {
    let mut trailers = HeaderMap::new();
    for name in ["x-keep", "x-remove", "x-replace"] {
        trailers.insert(name, "client".parse().unwrap());
    }
    let body = Full::from("body").with_trailers(async { Some(Ok(trailers)) });
    let request = Request::post("/trailers").body(body.boxed()).unwrap();
    let mut client = Client::http2(server.at("trailers")).await;
    let answer = client.send(request).await.unwrap();
    assert_eq!(answer.text(), "data");
    let mut all: Vec<String> = answer
        .trailers
        .iter()
        .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
        .collect();
    all.sort();
    // The upstream got three, of them `x-trailers`, and added `x-own` and `x-remove`.
    assert_eq!(
        all,
        [
            "x-keep: client",
            "x-own: 1",
            "x-replace: replaced",
            "x-trailers: 3",
            "x-trailers: 5"
        ]
    );
    let log = server.log_with("response trailer: x-remove: upstream\n").await;
    assert!(log.contains("request trailer: x-replace: client\n"), "{log}");
    assert!(!log.contains("response trailer: x-remove: client"), "{log}");
    // A message without trailers gets none.
    let answer = client.send(get_with("/direct", "x-a", "b")).await.unwrap();
    assert!(answer.trailers.is_empty(), "{:?}", answer.trailers);
}

#[tokio::test]
async fn a_tcp_filter_and_an_access_logger_of_tcp() {
    let port = tcp::echo().await;
    for runtime in RUNTIMES.iter().copied() {
        let tap = Plugin::configured(runtime, "tcp_tap", r#"{"upper": true, "close_on": "quit"}"#);
        let logger = Plugin::new(runtime, "access_log");
        let server = Server::start(&bootstrap(
            &[tcp_listener("main", &[tap], &[logger])],
            &[port],
            false,
        ));
        let mut client = tcp::connect(server.address).await;
        client.write_all(b"hello").await.unwrap();
        tcp::gets(&mut client, "HELLO").await;
        client.shutdown().await.unwrap();
        assert_eq!(tcp::rest(&mut client).await, b"");
        let mut client = tcp::connect(server.address).await;
        client.write_all(b"quit").await.unwrap();
        assert_eq!(tcp::rest(&mut client).await, b"");
        // Each worker may have one of them.
        for (down, up) in [(4, 0), (5, 5)] {
            let line = format!("tcp_tap: log: {down} bytes from downstream, {up} bytes from upstream");
            server.log_with(&line).await;
        }
        assert_eq!(server.stat("wasmcustom.tcp_tap_downstream_bytes"), 9);
        assert_eq!(server.stat("wasmcustom.tcp_tap_upstream_bytes"), 5);
        // There is no request to tell of.
        let logged = || {
            let log = server.log();
            let lines = log.lines().filter(|line| line.contains("access_log: - - - "));
            lines.filter(|line| line.ends_with(" ms")).count()
        };
        until("logged", || logged() == 2).await;
        server.has_no_complaints();
    }
}
