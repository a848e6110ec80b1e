//! Requests that plugins and routes answer or pass on.

use http::{Request, StatusCode, Version};
use http_body_util::{BodyExt, Empty};

use crate::client::{Client, get, post};
use crate::config::{Plugin, config};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::Server;
use crate::upstream;

const ADD: &str = r#"{"request": {"x-plugin": "a"}, "response": {"x-hello": "b"}}"#;

fn add_header(runtime: &'static str) -> Plugin {
    Plugin {
        configuration: ADD,
        ..Plugin::new(runtime, "add_header")
    }
}

#[tokio::test]
async fn a_direct_response_passes_the_plugin_on_each_runtime_in_each_version() {
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(&[add_header(runtime)], &[], false));
        for mut client in [
            Client::http1(server.address).await,
            Client::http2(server.address).await,
        ] {
            let answer = client.get("/direct?query").await;
            assert_eq!(answer.status, StatusCode::OK);
            assert_eq!(answer.text(), "hello");
            assert_eq!(answer.header("x-hello"), Some("b"), "{runtime}");
            assert_eq!(answer.header("content-type"), Some("text/plain"));
            assert_eq!(answer.header("content-length"), Some("5"));
            assert_eq!(answer.header("server"), Some("enginebay"));
            assert!(answer.header("date").is_some());
            let head = Request::head("/direct").body(Empty::new().boxed()).unwrap();
            let answer = client.send(head).await.unwrap();
            assert_eq!((answer.header("content-length"), answer.text()), (Some("5"), ""));
        }
        assert_eq!(server.stat("http.ingress.downstream_rq_total"), 4);
        assert_eq!(server.stat("http.ingress.downstream_rq_2xx"), 4);
        assert_eq!(server.stat("http.ingress.downstream_cx_total"), 2);
        assert_eq!(server.stat(&format!("wasm.{runtime}.created")), 3);
        assert_eq!(server.stat(&format!("wasm.{runtime}.active")), 2);
    }
}

#[tokio::test]
async fn an_upstream_sees_what_the_plugin_added_and_nothing_of_the_connection() {
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let port = upstream::start("a", version).await;
        let http2 = version == Version::HTTP_2;
        let server = Server::start(&config(&[add_header(any_runtime())], &[port], http2));
        let mut client = Client::http1(server.address).await;
        let request = Request::get("/some?q=1")
            .header("connection", "x-named")
            .header("x-named", "1")
            .header("keep-alive", "1")
            .body(Empty::new().boxed())
            .unwrap();
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.header("x-hello"), Some("b"));
        assert_eq!(answer.header("x-upstream"), Some("a"));
        assert!(answer.header("x-envoy-upstream-service-time").is_some());
        let expected = if http2 {
            "GET http://test.example/some?q=1\nx-forwarded-proto: http\nx-plugin: a\n"
        } else {
            "GET /some?q=1\nhost: test.example\nx-forwarded-proto: http\nx-plugin: a\n"
        };
        assert_eq!(answer.text(), expected);

        let answer = client.get("/rewritten/there?q=1").await;
        assert!(
            answer
                .text()
                .contains("x-envoy-original-path: /rewritten/there?q=1\n")
        );
        assert!(answer.text().contains("x-envoy-original-host: test.example\n"));
        let expected = if http2 {
            "GET http://up.example/there?q=1\n"
        } else {
            "GET /there?q=1\nhost: up.example\n"
        };
        assert!(answer.text().starts_with(expected), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_request_without_a_token_ends_at_the_plugin() {
    let server = Server::start(&config(&[Plugin::new(any_runtime(), "auth")], &[], false));
    for mut client in [
        Client::http1(server.address).await,
        Client::http2(server.address).await,
    ] {
        let answer = client.get("/direct").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.text(), "forbidden\n");
        assert_eq!(answer.header("x-auth"), Some("denied"));
        let answer = client.get_with("/direct", "x-token", "secret").await;
        assert_eq!((answer.status, answer.text()), (StatusCode::OK, "hello"));
    }
    assert_eq!(server.stat("http.ingress.downstream_rq_4xx"), 2);
}

#[tokio::test]
async fn bodies_are_rewritten_both_ways() {
    for runtime in RUNTIMES.iter().copied() {
        let port = upstream::start("a", Version::HTTP_11).await;
        let server = Server::start(&config(&[Plugin::new(runtime, "body_rewrite")], &[port], false));
        for mut client in [
            Client::http1(server.address).await,
            Client::http2(server.address).await,
        ] {
            let answer = client.send(post("/echo", "some text")).await.unwrap();
            assert_eq!(answer.text(), "rewritten: SOME TEXT", "{runtime}");
        }
    }
}

#[tokio::test]
async fn trailers_pass_in_http2() {
    let port = upstream::start("a", Version::HTTP_2).await;
    let server = Server::start(&config(
        &[Plugin::new(any_runtime(), "headers_dump")],
        &[port],
        true,
    ));
    let mut client = Client::http2(server.address).await;
    let answer = client.get("/trailers").await;
    assert_eq!(answer.text(), "data");
    assert_eq!(answer.trailers.get("x-own").unwrap(), "1");
    // The plugin logs every header and trailer.
    assert!(server.log().contains("x-own"), "{}", server.log());
}

#[tokio::test]
async fn hosts_take_turns() {
    let ports = [
        upstream::start("a", Version::HTTP_11).await,
        upstream::start("b", Version::HTTP_11).await,
    ];
    let server = Server::start(&config(&[], &ports, false));
    // One connection, so one worker.
    let mut client = Client::http1(server.address).await;
    let mut seen = Vec::new();
    for _ in 0..6 {
        let answer = client.get("/").await;
        seen.push(answer.header("x-upstream").unwrap().to_owned());
    }
    assert_eq!(seen.iter().filter(|name| *name == "a").count(), 3, "{seen:?}");
    assert!(seen.windows(2).all(|pair| pair[0] != pair[1]), "{seen:?}");
}

#[tokio::test]
async fn what_has_no_upstream_says_why() {
    let port = upstream::start("a", Version::HTTP_11).await;
    let server = Server::start(&config(&[add_header(any_runtime())], &[port], false));
    let mut client = Client::http1(server.address).await;
    for (path, status, text) in [
        (
            "/dead",
            503,
            "upstream connect error or disconnect/reset before headers. reset reason: remote connection failure",
        ),
        ("/none", 503, "no healthy upstream"),
        ("/slow", 504, "upstream request timeout"),
    ] {
        let answer = client.get(path).await;
        assert_eq!((answer.status.as_u16(), answer.text()), (status, text));
        // The plugin sees these responses too.
        assert_eq!(answer.header("x-hello"), Some("b"), "{path}");
    }
}

#[tokio::test]
async fn requests_that_are_not_served_get_envoys_answers() {
    let server = Server::start(&config(&[], &[], false).replace(r#"prefix: "/"}"#, r#"prefix: "/up"}"#));
    let mut client = Client::http1(server.address).await;
    let answer = client.get("/nowhere").await;
    assert_eq!((answer.status, answer.text()), (StatusCode::NOT_FOUND, ""));
    for (request, status) in [
        ("GET /direct HTTP/1.0\r\n\r\n", "426"),
        ("GET /direct HTTP/1.1\r\n\r\n", "400"),
        ("GARBAGE\r\n\r\n", "400"),
        (
            "GET /direct HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n",
            "403",
        ),
        ("CONNECT x:80 HTTP/1.1\r\nhost: x:80\r\n\r\n", "404"),
        ("GET http://x/direct HTTP/1.1\r\nhost: y\r\n\r\n", "200"),
    ] {
        let answer = raw(&server, request).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{request}{answer}");
    }
    assert!(server.is_ready());
}

/// What comes back first for these bytes.
pub(crate) async fn raw(server: &Server, request: &str) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut buffer = vec![0; 64 << 10];
    let read = stream.read(&mut buffer).await.unwrap();
    String::from_utf8_lossy(&buffer[..read]).into_owned()
}

#[tokio::test]
async fn a_connection_to_an_upstream_is_used_again() {
    let port = upstream::start("a", Version::HTTP_11).await;
    let server = Server::start(&config(&[], &[port], false));
    let mut client = Client::http1(server.address).await;
    for _ in 0..20 {
        assert_eq!(client.send(get("/x")).await.unwrap().status, 200);
        let answer = client.send(post("/echo", "abc")).await.unwrap();
        assert_eq!(answer.text(), "abc");
    }
    let sockets = std::fs::read_to_string("/proc/net/tcp").unwrap();
    let remote = format!("0100007F:{port:04X}");
    let open = sockets
        .lines()
        .filter(|line| line.split_whitespace().nth(2) == Some(&remote))
        .count();
    assert_eq!(open, 1, "{sockets}");
}
