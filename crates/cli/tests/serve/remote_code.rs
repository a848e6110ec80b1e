//! Code that is fetched.

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;

use crate::client::Client;
use crate::config::{Plugin, config, guest};
use crate::runtimes::{RUNTIMES, any_runtime};
use crate::server::{Server, refused};

/// Serves these bytes, whatever is asked for. Gives the port.
async fn serve(status: u16, bytes: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let bytes = Bytes::from(bytes);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let bytes = bytes.clone();
            let service = service_fn(move |_: Request<Incoming>| {
                let response = Response::builder().status(status).body(Full::new(bytes.clone()));
                async move { Ok::<_, Infallible>(response.unwrap()) }
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
        }
    });
    port
}

pub(crate) fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The plugin's code is to be fetched from `up`.
fn remote(plugin: Plugin, port: u16, sha256: &str) -> String {
    const ONCE_MORE: &str = "{num_retries: 1, retry_back_off: {base_interval: 0.01s}}";
    remote_with(plugin, port, sha256, "5s", ONCE_MORE)
}

/// Likewise, with this timeout and retry policy.
pub(crate) fn remote_with(plugin: Plugin, port: u16, sha256: &str, timeout: &str, policy: &str) -> String {
    let local = format!("local: {{filename: {:?}}}", plugin.file);
    let remote = format!(
        "remote: {{sha256: \"{sha256}\", http_uri: {{uri: \"http://code.example/p.wasm\", cluster: up, timeout: \
         {timeout}}}, retry_policy: {policy}}}"
    );
    config(&[plugin], &[port], false).replace(&local, &remote)
}

/// A guest's code, and its digest.
pub(crate) fn code() -> (Vec<u8>, String) {
    let code = std::fs::read(guest("add_header")).unwrap();
    let digest = hex(&Sha256::digest(&code));
    (code, digest)
}

#[tokio::test(flavor = "multi_thread")]
async fn fetched_code_runs() {
    for runtime in RUNTIMES.iter().copied() {
        let (code, digest) = code();
        let port = serve(200, code).await;
        let server = Server::start(&remote(Plugin::new(runtime, "add_header"), port, &digest));
        let answer = Client::http1(server.address).await.get("/direct").await;
        assert_eq!(
            (answer.status.as_u16(), answer.header("x-enginebay")),
            (200, Some("hello"))
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_with_another_digest_never_runs() {
    for (policy, status) in [("", 503), ("failure_policy: FAIL_OPEN", 200)] {
        let plugin = Plugin {
            more: policy,
            ..Plugin::new(any_runtime(), "add_header")
        };
        let port = serve(200, code().0).await;
        let server = Server::start(&remote(plugin, port, &"0".repeat(64)));
        server
            .log_with("Retry limit exceeded for fetching data from remote data source.")
            .await;
        let mut client = Client::http1(server.address).await;
        for _ in 0..2 {
            let answer = client.get("/direct").await;
            assert_eq!(answer.status.as_u16(), status);
            assert_eq!(answer.header("x-enginebay"), None);
        }
        assert_eq!(server.stat("wasm.remote_load_fetch_failures"), 1);
        assert_eq!(server.stat("wasm.remote_load_cache_misses"), 1);
        // It is known for a moment that there is none.
        assert_eq!(server.stat("wasm.remote_load_cache_entries"), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_can_not_be_had_is_503() {
    let port = serve(404, Vec::new()).await;
    let server = Server::start(&remote(Plugin::new(any_runtime(), "add_header"), port, &code().1));
    assert_eq!(
        Client::http1(server.address).await.get("/direct").await.status,
        503
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_is_not_in_the_cache_can_be_a_reason_to_refuse() {
    let plugin = Plugin {
        vm: "nack_on_code_cache_miss: true",
        ..Plugin::new(any_runtime(), "add_header")
    };
    let (bytes, digest) = code();
    let port = serve(200, bytes).await;
    let config = remote(plugin, port, &digest);
    let ended = tokio::task::spawn_blocking(move || refused(&config))
        .await
        .unwrap();
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.contains("its code is not in the cache"),
        "{}",
        ended.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_code_for_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, digest) = code();
    let port = serve(200, bytes).await;
    let cache = ["--code-cache", folder.path().to_str().unwrap()];
    let plugin = || Plugin::new(any_runtime(), "add_header");
    drop(Server::start_with(&remote(plugin(), port, &digest), &cache));
    // Nobody is there any more.
    let server = Server::start_with(&remote(plugin(), 9, &digest), &cache);
    let answer = Client::http1(server.address).await.get("/direct").await;
    assert_eq!(answer.header("x-enginebay"), Some("hello"));
}
