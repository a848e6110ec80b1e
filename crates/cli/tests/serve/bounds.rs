//! What a client, an upstream or a plugin can make the server use.

use bytes::Bytes;
use http::{Request, StatusCode, Version};
use http_body_util::BodyExt;

use crate::client::{Client, SendBody, get, post};
use crate::config::{Plugin, config};
use crate::requests::raw;
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::Server;
use crate::upstream;

/// Growth that any allocator may show, in KiB.
const NOISE: u64 = 24 << 10;

#[tokio::test]
async fn large_bodies_stream_through() {
    const SIZE: usize = 8 << 20;
    for version in [Version::HTTP_11, Version::HTTP_2] {
        let port = upstream::start("a", version).await;
        let plugins = [Plugin::new(any_runtime(), "add_header")];
        let server = Server::start(&config(&plugins, &[port], version == Version::HTTP_2));
        for mut client in [
            Client::http1(server.address).await,
            Client::http2(server.address).await,
        ] {
            client.get("/direct").await;
            let before = server.memory();
            let body = Bytes::from(vec![b'y'; SIZE]);
            let answer = client.send(post("/echo", body.clone())).await.unwrap();
            assert!(answer.body == body, "{} bytes", answer.body.len());
            let path = format!("/flood?{}", 8 * SIZE);
            let mut body = client.start(get(&path)).await.unwrap().into_body();
            let mut received = 0;
            while let Some(frame) = body.frame().await {
                received += frame.unwrap().into_data().unwrap().len();
            }
            assert_eq!(received, 8 * SIZE);
            let after = server.memory();
            assert!(after < before + NOISE, "{before} KiB, then {after} KiB");
        }
    }
}

/// An upstream's flood waits for a client that does not read.
#[tokio::test]
async fn a_client_that_does_not_read_holds_the_upstream_back() {
    let port = upstream::start("a", Version::HTTP_11).await;
    let server = Server::start(&config(&[], &[port], false));
    let mut client = Client::http1(server.address).await;
    client.get("/direct").await;
    let before = server.memory();
    let response = client.start(get("/flood?1073741824")).await.unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let after = server.memory();
    assert!(after < before + NOISE, "{before} KiB, then {after} KiB");
    drop(response);
}

#[tokio::test]
async fn heads_have_a_limit() {
    let server = Server::start(&config(&[], &[], false));
    let large = "a".repeat(70 << 10);
    let head = format!("GET /direct HTTP/1.1\r\nhost: x\r\nx-large: {large}\r\n\r\n");
    assert!(raw(&server, &head).await.starts_with("HTTP/1.1 431 "));
    let many: String = (0..120).map(|number| format!("x-{number}: a\r\n")).collect();
    let head = format!("GET /direct HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert!(raw(&server, &head).await.starts_with("HTTP/1.1 431 "));

    let mut client = Client::http2(server.address).await;
    let request: Request<SendBody> = {
        let mut request = get("/direct");
        request.headers_mut().insert("x-large", large.parse().unwrap());
        request
    };
    let refused = client.send(request).await;
    let status = refused.map(|answer| answer.status);
    assert!(
        !matches!(status, Ok(StatusCode::OK)),
        "a head of 70 KiB was served: {status:?}"
    );
    assert_eq!(
        Client::http2(server.address).await.get("/direct").await.status,
        200
    );
}

#[tokio::test]
async fn connections_have_a_limit() {
    let server = Server::start_with(&config(&[], &[], false), &["--max-connections", "2"]);
    let mut first = Client::http1(server.address).await;
    let mut second = Client::http1(server.address).await;
    assert_eq!(first.get("/direct").await.status, 200);
    assert_eq!(second.get("/direct").await.status, 200);
    let mut third = Client::http1(server.address).await;
    assert!(third.send(get("/direct")).await.is_err());
    assert_eq!(server.stat("http.ingress.downstream_cx_overflow"), 1);
    drop(first);
    for _ in 0..500 {
        if server.stat("http.ingress.downstream_cx_active") < 2 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    let mut fourth = Client::http1(server.address).await;
    assert_eq!(fourth.get("/direct").await.status, 200);
}

/// A plugin takes all the memory it can get, a thousand times: for good at first, then from its allocator, which
/// has what was left.
#[tokio::test]
async fn a_plugin_that_hogs_memory_meets_its_limit() {
    for runtime in RUNTIMES.iter().copied() {
        let server = Server::start(&config(&[Plugin::new(runtime, "hog")], &[], false));
        let mut client = Client::http1(server.address).await;
        let answer = client.get_with("/direct", "x-hog", "alloc").await;
        assert_eq!(answer.status, 200);
        let taken: u64 = answer.header("x-hog-mib").unwrap().parse().unwrap();
        assert!((100..=128).contains(&taken), "{taken} MiB");
        for _ in 0..50 {
            client.get_with("/direct", "x-hog", "grow").await;
        }
        let before = server.memory();
        for how in ["alloc", "grow"] {
            for _ in 0..500 {
                let answer = client.get_with("/direct", "x-hog", how).await;
                assert_eq!(answer.status, 200);
            }
        }
        let after = server.memory();
        assert!(after < before + NOISE, "{before} KiB, then {after} KiB");
        assert!(server.is_ready());
    }
}
