//! How often, how long and when code is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::client::Client;
use crate::config::{Plugin, config};
use crate::remote_code::{code, remote_with};
use crate::runtimes::any_runtime;
use crate::server::{Server, until};

/// A server of code.
pub(crate) struct Codes {
    pub(crate) port: u16,
    /// How often it was asked.
    asked: Arc<AtomicUsize>,
}

impl Codes {
    /// Has no code the first `failures` times, and takes its time for everything.
    pub(crate) async fn start(failures: usize, time: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let code = Bytes::from(code().0);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (asked, code) = (counter.clone(), code.clone());
                let service = service_fn(move |_: Request<Incoming>| {
                    let good = asked.fetch_add(1, Ordering::Relaxed) >= failures;
                    let (status, body) = if good {
                        (200, code.clone())
                    } else {
                        (503, Bytes::new())
                    };
                    async move {
                        tokio::time::sleep(time).await;
                        Response::builder().status(status).body(Full::new(body))
                    }
                });
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Codes { port, asked }
    }

    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// A configuration with code from here.
    fn config(&self, timeout: &str, policy: &str) -> String {
        remote_with(adder(), self.port, &code().1, timeout, policy)
    }
}

fn adder() -> Plugin {
    Plugin::new(any_runtime(), "add_header")
}

/// Whether the plugin runs there. If it does not, requests are refused.
async fn runs(server: &Server) -> bool {
    let answer = Client::http1(server.address).await.get("/direct").await;
    let runs = answer.header("x-enginebay").is_some();
    assert_eq!(answer.status, if runs { 200 } else { 503 });
    runs
}

#[tokio::test(flavor = "multi_thread")]
async fn code_is_asked_for_again_as_often_as_configured() {
    // Failures, retries, and how often it is asked.
    for (failures, retries, asked) in [(3, "num_retries: 3,", 4), (3, "num_retries: 2,", 3), (9, "", 2)] {
        let codes = Codes::start(failures, Duration::ZERO).await;
        let policy = format!("{{{retries} retry_back_off: {{base_interval: 0.01s}}}}");
        let server = Server::start(&codes.config("5s", &policy));
        assert_eq!(codes.asked(), asked, "{retries}");
        assert_eq!(runs(&server).await, asked > failures, "{retries}");
        let given_up = server.log().contains("Retry limit exceeded");
        assert_eq!(given_up, asked <= failures, "{retries}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_may_take_as_long_as_configured() {
    for (timeout, good) in [("0.1s", false), ("60s", true), ("0s", true)] {
        let codes = Codes::start(0, Duration::from_millis(1500)).await;
        let policy = "{num_retries: 1, retry_back_off: {base_interval: 0.01s}}";
        let server = Server::start(&codes.config(timeout, policy));
        assert_eq!(runs(&server).await, good, "{timeout}");
        // The time is that of one attempt.
        assert_eq!(codes.asked(), if good { 1 } else { 2 }, "{timeout}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_attempt_waits_as_configured() {
    let codes = Codes::start(1, Duration::ZERO).await;
    let mut server = Server::start(&config(&[], &[], false));
    // Any time below eleven days is waited for: hardly one of these few.
    server.set_config(&codes.config("5s", "{retry_back_off: {base_interval: 1000000s}}"));
    server.hang_up();
    until("asked", || codes.asked() == 1).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(codes.asked(), 1);
    assert!(!server.log().contains("the new configuration is served"));
    server.terminate();
    assert_eq!(server.ended(), Some(0));

    let codes = Codes::start(1, Duration::ZERO).await;
    let server = Server::start(&codes.config("5s", "{retry_back_off: {base_interval: 0.01s}}"));
    assert!(runs(&server).await);
    assert_eq!(codes.asked(), 2);
}
