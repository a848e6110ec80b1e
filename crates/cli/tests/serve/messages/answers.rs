//! What host functions answer, where plugins rely on it.

use http::Version;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::guest::{Guests, pairs};
use crate::client::{Client, get_with};
use crate::config::{Plugin, bootstrap, config, http_listener};
use crate::runtimes::RUNTIMES;
use crate::server::Server;
use crate::upstream;

/// The numbers that a plugin said, after one request.
pub(super) async fn statuses(server: &Server, name: &str, count: usize) -> Vec<u8> {
    let line = format!("wasm log {name}: status ");
    crate::server::until("said", || server.log().matches(&line).count() >= count).await;
    let log = server.log();
    let said = log.lines().filter_map(|text| text.split_once(&line));
    said.map(|(_, number)| number.parse().unwrap()).collect()
}

#[tokio::test]
async fn calls_that_can_not_be_made_are_bad_arguments() {
    const ALL: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];
    let call = |cluster: &str, headers: &[(&str, &str)]| {
        format!(
            "(call $status (call $http_call {{{{{cluster}}}}} {{{{{}}}}} (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) \
             (i32.const 1000) (i32.const 8)))",
            pairs(headers)
        )
    };
    let calls = [
        call("up", &ALL),
        call("nowhere", &ALL),
        call("up", &ALL[1..]),
        call("up", &[ALL[0], ALL[2]]),
        call("up", &ALL[..2]),
    ];
    let function = format!(
        "(func (export \"proxy_on_request_headers\") (param i32 i32 i32) (result i32) {} (i32.const 0))",
        calls.concat()
    );
    let guests = Guests::new();
    let port = upstream::start("up", Version::HTTP_11).await;
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(
            &[guests.plugin(runtime, "calls", &function)],
            &[port],
            false,
        ));
        Client::http1(server.address).await.get("/direct").await;
        assert_eq!(statuses(&server, "calls", 5).await, [0, 2, 2, 2, 2]);
    }
}

#[tokio::test]
async fn headers_that_are_not_there_and_empty_ones() {
    let asks = |parameters: &str| {
        format!(
            r#"(func (export "proxy_on_request_headers") (param {parameters}) (result i32)
                (call $status (call $header (i32.const 0) {{{{x-missing}}}} (i32.const 8) (i32.const 12)))
                (call $status (call $size))
                (call $status (call $header (i32.const 0) {{{{x-empty}}}} (i32.const 8) (i32.const 12)))
                (call $status (call $size))
                (call $status (call $property {{{{}}}} (i32.const 8) (i32.const 12)))
                (i32.const 0))"#
        )
    };
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let old = guests.of_abi("0_1_0", runtime, "old", &asks("i32 i32"));
        let new = guests.plugin(runtime, "new", &asks("i32 i32 i32"));
        let server = Server::start(&config(&[old, new], &[], false));
        Client::http1(server.address)
            .await
            .get_with("/direct", "x-empty", "")
            .await;
        // Not found, but for the oldest version; and a property must have a path.
        assert_eq!(statuses(&server, "new", 5).await, [1, 0, 0, 0, 3]);
        assert_eq!(statuses(&server, "old", 5).await, [0, 0, 0, 0, 3]);
    }
}

#[tokio::test]
async fn a_request_without_a_path_is_404() {
    let removes = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $remove (i32.const 0) {{:path}}))
            (i32.const 0))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(&[guests.plugin(runtime, "removes", removes)], &[], false));
        assert_eq!(
            Client::http1(server.address).await.get("/direct").await.status,
            404
        );
    }
}

#[tokio::test]
async fn local_responses_and_the_plugins_own_callback() {
    // From the request's path if there is an `x-early`, else from the response's.
    let answers = r#"
        (func $send (drop (call $answer (i32.const 777)
            (i32.const 0) (i32.const 0) {{local}} (i32.const 0) (i32.const 0) (i32.const -1))))
        (global $sent (mut i32) (i32.const 0))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (global.set $sent (i32.eqz (call $header (i32.const 0) {{x-early}} (i32.const 8) (i32.const 12))))
            (if (global.get $sent) (then (call $send) (return (i32.const 1))))
            (i32.const 0))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
            (call $say {{response seen}})
            (if (i32.eqz (global.get $sent)) (then (global.set $sent (i32.const 1)) (call $send)))
            (i32.const 0))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start_with(
            &config(&[guests.plugin(runtime, "answers", answers)], &[], false),
            &["--concurrency", "1"],
        );
        for (name, seen) in [("x-early", 1), ("x-late", 2)] {
            let mut client = Client::http1(server.address).await;
            let answer = client.send(get_with("/direct", name, "1")).await.unwrap();
            assert_eq!((answer.status.as_u16(), answer.text()), (777, "local"), "{name}");
            // Once for each request: not again for the answer that the callback itself gave.
            assert_eq!(
                server.log().matches("response seen").count(),
                seen,
                "{name} on {runtime}"
            );
        }
    }
}

#[tokio::test]
async fn a_body_that_is_held_back_grows() {
    let holds = r#"
        (func (export "proxy_on_request_body") (param i32 i32 i32) (result i32)
            (call $status (local.get 1))
            (i32.eqz (local.get 2)))"#;
    let guests = Guests::new();
    let port = upstream::start("up", Version::HTTP_11).await;
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(&[guests.plugin(runtime, "holds", holds)], &[port], false));
        let mut client = TcpStream::connect(server.address).await.unwrap();
        let head =
            "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
        client.write_all(head.as_bytes()).await.unwrap();
        for (count, piece) in ["5\r\nhello\r\n", "5\r\nagain\r\n", "0\r\n\r\n"]
            .iter()
            .enumerate()
        {
            client.write_all(piece.as_bytes()).await.unwrap();
            statuses(&server, "holds", count + 1).await;
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("hello") && answer.contains("again"), "{answer}");
        assert_eq!(statuses(&server, "holds", 3).await, [5, 10, 10]);
    }
}

#[tokio::test]
async fn metrics_carry_their_type() {
    let defines = r#"
        (func $kind (param i32 i32 i32)
            (drop (call $define (local.get 0) (local.get 1) (local.get 2) (i32.const 8)))
            (call $status (i32.and (call $at) (i32.const 3)))
            (call $status (call $metric (call $at) (i32.const 16))))
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $kind (i32.const 0) {{said_count}})
            (call $kind (i32.const 1) {{said_gauge}})
            (call $kind (i32.const 2) {{said_histogram}})
            (i32.const 0))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(&[guests.plugin(runtime, "defines", defines)], &[], false));
        Client::http1(server.address).await.get("/direct").await;
        // A histogram can't be read.
        assert_eq!(statuses(&server, "defines", 6).await, [0, 0, 1, 0, 2, 2]);
        assert_eq!(server.stat("wasmcustom.said_count"), 0);
    }
}

#[tokio::test]
async fn variables_that_are_not_set_are_left_out() {
    let counts = r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (drop (call $environ (i32.const 8) (i32.const 12)))
            (call $status (call $at))
            (i32.const 0))"#;
    let guests = Guests::new();
    for runtime in RUNTIMES.iter().copied() {
        let plugin = Plugin {
            vm: "environment_variables: {host_env_keys: [PATH, SURELY_NOT_SET], key_values: {FOO: bar}}",
            ..guests.plugin(runtime, "counts", counts)
        };
        let listeners = [http_listener("main", &[plugin], &[])];
        let server = Server::start(&bootstrap(&listeners, &[], false));
        Client::http1(server.address).await.get("/direct").await;
        assert_eq!(statuses(&server, "counts", 1).await, [2]);
    }
}
