//! Plugins that take others' places, and what these still do.

mod common;

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use common::callouts::{Callouts, boxed, pairs};
use common::guests::Wat;
use common::{Log, Upstream, engines, get};
use enginebay::config::model;
use enginebay::{Engines, Plugin};
use enginebay_http::{Body, ChainOptions, FilterChain, LocalVms, Workers};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::sync::Notify;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;
use tower::ServiceExt;

fn plugin(engines: &Engines, wat: &Wat, name: &str, configuration: &str) -> Plugin {
    let mut config = model::Plugin::new(common::QUICK, model::Code::InlineBytes(wat.code()));
    config.name = name.to_owned();
    config.configuration = configuration.as_bytes().to_vec();
    Plugin::load(engines, &config).unwrap()
}

async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is() {
        assert!(started.elapsed() < Duration::from_secs(30), "never {what}");
        sleep(Duration::from_millis(2)).await;
    }
}

/// A thread with its VMs, their background running.
struct Bay {
    engines: Engines,
    vms: LocalVms,
    log: Log,
}

impl Bay {
    fn with(change: impl FnOnce(&mut ChainOptions)) -> Bay {
        let log = Log::default();
        let answer = |_| async { Ok(Response::new(boxed(Full::<Bytes>::from("bye")))) };
        let upstreams = Rc::new(Callouts::default().on("up", answer));
        let mut options = ChainOptions::default();
        change(&mut options);
        let vms = LocalVms::new(log.platform(), upstreams, options);
        spawn_local(vms.background());
        Bay {
            engines: engines(),
            vms,
            log,
        }
    }

    /// Starts a plugin, and needs it no more.
    fn use_once(&self, wat: &Wat, name: &str) {
        let plugin = plugin(&self.engines, wat, name, "");
        drop(self.vms.start(&FilterChain::new([plugin])).unwrap());
    }

    async fn until_gone(&self) {
        until("gone", || self.vms.usage().vms == 0).await;
    }
}

fn on_one_thread(test: impl Future<Output = ()>) {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(LocalSet::new().run_until(test));
}

/// Logs when it is not needed any more, does this, and wants to stay.
fn stays(wat: Wat, code: &str) -> Wat {
    wat.on("done", &format!("(call $log 'leaving') {code} (i32.const 0)"))
        .on("delete", "(call $log 'deleted')")
}

const TICKS: &str = "(drop (call $tick_period (i32.const 5)))";

#[test]
fn a_plugin_that_calls_out_at_its_end_stays_until_it_is_done() {
    on_one_thread(async {
        let mut wat = Wat::default();
        let headers = pairs(&[(":method", "GET"), (":path", "/"), (":authority", "up")]);
        let (up, headers) = (wat.text("up"), wat.text(&headers));
        let none = "(i32.const 0) (i32.const 0)";
        let call =
            format!("(drop (call $http_call {up} {headers} {none} {none} (i32.const 10000) (i32.const 12)))");
        let wat = stays(wat, &call).on(
            "http_call_response",
            "(call $log_buffer (i32.const 4)) (drop (call $done)) (call $log 'done')",
        );
        let bay = Bay::with(|_| {});
        bay.use_once(&wat, "a");
        // It is one root context, and no stream.
        let usage = bay.vms.usage();
        assert_eq!(
            (usage.vms, usage.roots, usage.streams, usage.callouts),
            (1, 1, 0, 1)
        );
        bay.until_gone().await;
        assert_eq!(bay.log.lines(), ["leaving", "bye", "done", "deleted"]);
    });
}

#[test]
fn timers_go_on_and_another_plugin_may_use_the_vm_meanwhile() {
    on_one_thread(async {
        let wat = stays(Wat::default(), TICKS)
            .on("configure", "(call $log 'started') (i32.const 1)")
            .on(
                "tick",
                "(global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
                (if (i32.eq (global.get $ticks) (i32.const 3)) (then (drop (call $done))))",
            );
        let bay = Bay::with(|_| {});
        bay.use_once(&wat, "a");
        let other = plugin(&bay.engines, &wat, "b", "");
        let chain = bay.vms.start(&FilterChain::new([other])).unwrap();
        assert_eq!((bay.vms.usage().vms, bay.vms.usage().roots), (1, 2));
        until("deleted", || bay.log.has("deleted")).await;
        assert_eq!(bay.log.lines(), ["started", "leaving", "started", "deleted"]);
        until("one left", || bay.vms.usage().roots == 1).await;
        // Nothing ticks any more that would end it.
        drop(chain);
        assert_eq!(bay.vms.usage().vms, 1);
    });
}

#[test]
fn a_plugin_that_is_never_done_goes_when_its_time_is_over() {
    on_one_thread(async {
        let wat = stays(Wat::default(), "");
        let bay = Bay::with(|options| options.linger = Duration::from_millis(30));
        bay.use_once(&wat, "slow");
        bay.until_gone().await;
        assert_eq!(
            bay.log.lines(),
            [
                "leaving",
                "plugin slow: a context was deleted before its time: it has not called proxy_done for 30ms",
                "deleted"
            ]
        );
    });
}

#[test]
fn there_is_a_bound_on_plugins_that_stay() {
    on_one_thread(async {
        let wat = stays(Wat::default(), "");
        let bay = Bay::with(|options| options.lingering = 2);
        for name in ["a", "b", "c"] {
            bay.use_once(&wat, name);
        }
        assert_eq!(bay.vms.usage().roots, 2);
        let warning = "plugin a: a context was deleted before its time: 2 plugins of the thread wait for proxy_done already";
        assert_eq!(
            bay.log.lines(),
            ["leaving", "leaving", "leaving", warning, "deleted"]
        );
        let bay = Bay::with(|options| options.lingering = 0);
        bay.use_once(&wat, "a");
        assert_eq!(bay.vms.usage().vms, 0);
        assert_eq!(bay.log.count("deleted"), 1);
    });
}

#[test]
fn one_that_fails_while_it_stays_goes_at_once() {
    on_one_thread(async {
        for callback in ["tick", "delete"] {
            let wat = Wat::default()
                .on("done", &format!("{TICKS} (i32.const 0)"))
                .on(callback, "unreachable");
            let bay = Bay::with(|options| options.linger = Duration::from_millis(30));
            bay.use_once(&wat, "a");
            bay.until_gone().await;
            assert!(bay.log.has(&format!("Function: proxy_on_{callback} failed")));
        }
        // And with all VMs of the thread.
        let bay = Bay::with(|_| {});
        bay.use_once(&stays(Wat::default(), ""), "a");
        let Bay { log, vms, .. } = bay;
        drop(vms);
        assert_eq!(log.lines(), ["leaving"]);
    });
}

/// Adds its name, and refuses to be configured with anything.
fn adds(value: &str) -> Wat {
    Wat::default()
        .on("configure", "(i32.eqz (local.get $n))")
        .on(
            "response_headers",
            &format!("(drop (call $add (i32.const 2) 'x' '{value}')) (i32.const 0)"),
        )
        // Of the root context, which is the first one.
        .on(
            "done",
            &format!(
                "(if (i32.eq (local.get $id) (i32.const 1)) (then (call $log 'done {value}'))) (i32.const 1)"
            ),
        )
}

async fn value<S, R>(workers: &Workers, inner: S) -> String
where
    S: tower::Service<Request<Body>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: std::fmt::Debug + Send,
    R: http_body::Body<Data = Bytes> + Send + Unpin + 'static,
    R::Error: Into<enginebay_http::BoxError>,
{
    let response = workers.service(inner).oneshot(get("/")).await.unwrap();
    assert_eq!(response.status(), 200);
    let value = response.headers()["x"].to_str().unwrap().to_owned();
    response.into_body().collect().await.unwrap();
    value
}

#[tokio::test]
async fn a_chain_is_replaced_while_streams_finish_on_the_old_one() {
    let engines = engines();
    let log = Log::default();
    let platform = log.clone();
    let chain = |value: &str| FilterChain::new([plugin(&engines, &adds(value), "p", "")]);
    let threads = NonZeroUsize::new(2).unwrap();
    let workers = Workers::spawn(chain("a"), threads, move || platform.platform()).unwrap();
    // One stream for each thread waits at its upstream.
    let (entered, go_on) = (
        std::sync::Arc::new(Notify::new()),
        std::sync::Arc::new(Notify::new()),
    );
    let mut old = Vec::new();
    for _ in 0..2 {
        let (tell, wait) = (entered.clone(), go_on.clone());
        let inner = tower::service_fn(move |_: Request<Body>| {
            let (tell, wait) = (tell.clone(), wait.clone());
            async move {
                tell.notify_one();
                wait.notified().await;
                Ok::<_, std::convert::Infallible>(Response::new(Body::empty()))
            }
        });
        let workers = workers.clone();
        old.push(tokio::spawn(async move { value(&workers, inner).await }));
        entered.notified().await;
    }
    workers.replace(chain("b")).await.unwrap();
    for _ in 0..4 {
        assert_eq!(value(&workers, Upstream::default()).await, "b");
    }
    assert_eq!(log.count("done a"), 0);
    for stream in old {
        go_on.notify_one();
        assert_eq!(stream.await.unwrap(), "a");
    }
    until("gone", || log.count("done a") == 2).await;

    // The same code with a configuration that it refuses: the VM that runs takes no harm.
    let bad = FilterChain::new([plugin(&engines, &adds("b"), "p", "refused")]);
    let failure = workers.replace(bad).await.unwrap_err();
    assert!(
        failure.to_string().contains("proxy_on_configure returned false"),
        "{failure}"
    );
    for _ in 0..4 {
        assert_eq!(value(&workers, Upstream::default()).await, "b");
    }
    // What is in both chains stays.
    let both = chain("b")
        .plugins()
        .iter()
        .chain(chain("c").plugins())
        .cloned()
        .collect::<Vec<_>>();
    workers.replace(FilterChain::new(both)).await.unwrap();
    assert_eq!(value(&workers, Upstream::default()).await, "c");
    assert_eq!(log.count("done b"), 0);
}
