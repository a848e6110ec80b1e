//! How the server ends.

use std::time::Duration;

use http::Version;

use crate::client::{Client, get};
use crate::config::{Plugin, config};
use crate::runtimes::any_runtime;
use crate::server::Server;
use crate::upstream;

#[tokio::test]
async fn requests_on_their_way_are_finished() {
    let port = upstream::start("a", Version::HTTP_11).await;
    // `/slow` of the upstream takes two seconds; this path has no timeout that is shorter.
    let text = config(&[Plugin::new(any_runtime(), "add_header")], &[port], false).replace("0.5s", "30s");
    for http2 in [false, true] {
        let mut server = Server::start(&text);
        let mut client = match http2 {
            false => Client::http1(server.address).await,
            true => Client::http2(server.address).await,
        };
        let mut idle = Client::http1(server.address).await;
        idle.get("/direct").await;
        let on_its_way = tokio::spawn(async move { client.send(get("/slow")).await });
        while server.stat("http.ingress.downstream_rq_active") == 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        server.terminate();
        let answer = on_its_way.await.unwrap().unwrap();
        assert_eq!((answer.status.as_u16(), answer.text()), (200, "slow"));
        assert_eq!(answer.header("x-enginebay"), Some("hello"));
        assert_eq!(server.ended(), Some(0), "{}", server.log());
        assert!(idle.send(get("/direct")).await.is_err());
    }
}

#[tokio::test]
async fn requests_that_take_too_long_are_cut() {
    let port = upstream::start("a", Version::HTTP_11).await;
    let mut server = Server::start_with(&config(&[], &[port], false), &["--drain-timeout", "1"]);
    let mut client = Client::http1(server.address).await;
    let body = client.start(get("/flood?1073741824")).await.unwrap();
    server.terminate();
    assert_eq!(server.ended(), Some(0), "{}", server.log());
    assert!(
        server.log().contains("cut after the drain timeout"),
        "{}",
        server.log()
    );
    drop(body);
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let port = upstream::start("a", Version::HTTP_11).await;
    let mut server = Server::start_with(&config(&[], &[port], false), &["--drain-timeout", "3600"]);
    let mut client = Client::http1(server.address).await;
    let body = client.start(get("/flood?1073741824")).await.unwrap();
    server.terminate();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!server.has_ended());
    server.terminate();
    assert_eq!(server.ended(), Some(0), "{}", server.log());
    drop(body);
}
