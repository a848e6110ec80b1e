//! How streams end: once, and also when nobody waits for them any more.

mod common;

use std::num::NonZeroUsize;
use std::time::Duration;

use common::guests::{Wat, recorder};
use common::{Log, MODES, Mode, Proxy, channel, frames, get, is_pending, request, run};
use enginebay_http::{FilterChain, Workers};
use http::Response;
use http_body_util::BodyExt;
use tower::ServiceExt;

const END: [&str; 3] = ["a log", "a done", "a delete"];

fn ends(log: &Log) -> Vec<String> {
    log.lines()
        .into_iter()
        .filter(|line| END.contains(&line.as_str()))
        .collect()
}

async fn until_ended(log: &Log) {
    while ends(log).len() < END.len() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(ends(log), END);
}

#[test]
fn a_stream_ends_once_after_its_body() {
    for mode in MODES {
        run(async {
            let proxy = Proxy::start(mode, [recorder("a").quick()]);
            let answer = proxy.fetch(request("/", &[], frames(&["a"]).body())).await;
            assert_eq!(answer.text(), "a");
            until_ended(&proxy.log).await;
        });
    }
}

#[test]
fn a_client_that_goes_before_the_response() {
    for mode in MODES {
        run(async {
            let mut proxy = Proxy::start(mode, [recorder("a").quick()]);
            proxy.upstream.stuck = true;
            let sender = proxy.clone();
            let mut sent = Box::pin(async move { sender.fetch(get("/")).await });
            while proxy.upstream.called() == 0 {
                assert!(is_pending(&mut sent).await);
                tokio::task::yield_now().await;
            }
            assert!(ends(&proxy.log).is_empty());
            drop(sent);
            until_ended(&proxy.log).await;
        });
    }
}

#[test]
fn a_client_that_goes_while_a_plugin_holds_its_request() {
    for mode in MODES {
        run(async {
            let holds = Wat::default().on("request_headers", "(i32.const 1)");
            let proxy = Proxy::start(mode, [recorder("a").quick(), holds.quick()]);
            let sender = proxy.clone();
            let mut sent = Box::pin(async move { sender.fetch(get("/")).await });
            while !proxy.log.has("a request_headers") {
                assert!(is_pending(&mut sent).await);
                tokio::task::yield_now().await;
            }
            drop(sent);
            until_ended(&proxy.log).await;
            assert_eq!(proxy.upstream.called(), 0);
        });
    }
}

#[test]
fn a_client_that_goes_within_the_response_body() {
    for mode in MODES {
        for looked_at in [true, false] {
            run(async {
                let wat = match looked_at {
                    true => recorder("a"),
                    false => Wat::default()
                        .on("log", "(call $log 'a log')")
                        .on("done", "(call $log 'a done') (i32.const 1)")
                        .on("delete", "(call $log 'a delete')"),
                };
                let mut proxy = Proxy::start(mode, [wat.quick()]);
                let (to, body) = channel();
                let body = std::sync::Mutex::new(Some(body));
                proxy
                    .upstream
                    .respond(move || Response::new(body.lock().unwrap().take().unwrap()));
                let mut response = proxy.send(get("/")).await;
                to.send("x").unwrap();
                let frame = response.body_mut().frame().await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), "x");
                assert!(ends(&proxy.log).is_empty());
                drop(response);
                until_ended(&proxy.log).await;
            });
        }
    }
}

#[test]
fn a_request_body_that_breaks_off_is_an_error_for_the_service() {
    for mode in MODES {
        run(async {
            let proxy = Proxy::start(mode, [recorder("a").quick()]);
            proxy
                .fetch(request("/", &[], frames(&["a"]).error().body()))
                .await;
            assert_eq!(proxy.upstream.last().error.as_deref(), Some("broken off"));
            until_ended(&proxy.log).await;
        });
    }
}

#[test]
fn a_response_that_is_over_ends_the_request() {
    for mode in MODES {
        run(async {
            let mut proxy = Proxy::start(mode, [recorder("a").quick()]);
            proxy.upstream.early = true;
            let (to, body) = channel();
            proxy.fetch(request("/", &[], body)).await;
            until_ended(&proxy.log).await;
            // Nobody reads any more.
            while to.send("x").is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
}

#[test]
fn many_streams_at_once_on_many_threads() {
    let log = Log::default();
    let chain = FilterChain::new([recorder("a").quick()]);
    let workers = {
        let log = log.clone();
        Workers::spawn(chain, NonZeroUsize::new(3).unwrap(), move || log.platform()).unwrap()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let service = workers.service(common::Upstream::default());
            tasks.spawn(async move {
                let response = service
                    .oneshot(request("/", &[], frames(&["a", "b"]).body()))
                    .await;
                response.unwrap().into_body().collect().await.unwrap().to_bytes()
            });
        }
        while let Some(body) = tasks.join_next().await {
            assert_eq!(body.unwrap(), "ab");
        }
    });
    while log.count("a delete") < 50 {
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn threads_end_with_the_last_handle_and_not_before_their_streams() {
    run(async {
        let alive = std::sync::Arc::new(());
        let (log, guard) = (Log::default(), alive.clone());
        let chain = FilterChain::new([recorder("a").quick()]);
        let workers = {
            let log = log.clone();
            Workers::spawn(chain, NonZeroUsize::new(2).unwrap(), move || {
                // One clone lives as long as its thread.
                std::thread_local!(static HELD: std::cell::RefCell<Option<std::sync::Arc<()>>> = const { std::cell::RefCell::new(None) });
                HELD.set(Some(guard.clone()));
                log.platform()
            })
            .unwrap()
        };
        let mut upstream = common::Upstream::default();
        let (to, body) = channel();
        let body = std::sync::Mutex::new(Some(body));
        upstream.respond(move || Response::new(body.lock().unwrap().take().unwrap()));
        let response = workers.service(upstream).oneshot(get("/")).await.unwrap();
        drop(workers);
        tokio::time::sleep(Duration::from_millis(20)).await;
        to.send("late").unwrap();
        drop(to);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "late");
        while std::sync::Arc::strong_count(&alive) > 1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Of the two threads' root contexts too.
        let ends = ends(&log);
        assert_eq!(ends.iter().filter(|line| *line == "a log").count(), 1);
        assert_eq!(ends.iter().filter(|line| *line == "a done").count(), 3);
        assert_eq!(ends.iter().filter(|line| *line == "a delete").count(), 3);
    });
}

#[test]
fn a_plugin_that_is_not_done_keeps_its_context_alone() {
    run(async {
        let wat = Wat::default().on("done", "(i32.const 0)");
        let proxy = Proxy::start(Mode::Local, [wat.quick()]);
        assert_eq!(proxy.fetch(get("/")).await.status, 200);
        assert_eq!(proxy.streams(), [1]);
    });
}
