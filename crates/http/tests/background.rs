//! Timers and queues: what plugins do without a request.

mod common;

use std::time::Duration;

use common::guests::Wat;
use common::{Log, runtimes};
use enginebay_http::FilterChain;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{sleep, timeout};

const LONG: Duration = Duration::from_secs(10);

/// Runs on one thread, for each runtime.
fn on_each(test: impl AsyncFn(&'static str)) {
    for runtime in runtimes() {
        println!("on {runtime}");
        let tokio = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        tokio.block_on(LocalSet::new().run_until(test(runtime)));
    }
}

async fn until(log: &Log, count: usize, line: &str) {
    let logged = async {
        while log.count(line) < count {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(LONG, logged)
        .await
        .unwrap_or_else(|_| panic!("{line} not logged: {:?}", log.lines()));
}

fn ticker() -> Wat {
    Wat::default()
        .on(
            "configure",
            "(drop (call $tick_period (i32.const 2))) (i32.const 1)",
        )
        .on(
            "tick",
            "(call $log 'tick')
             (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
             (if (i32.eq (global.get $ticks) (i32.const 5))
                 (then (drop (call $tick_period (i32.const 0)))))",
        )
}

#[test]
fn a_plugin_ticks_until_it_wants_no_more() {
    on_each(async |runtime| {
        let log = Log::default();
        let plugin = ticker().load(&common::engines(), runtime);
        let chain = FilterChain::new([plugin]).start(log.platform()).unwrap();
        let background = spawn_local(chain.background());
        until(&log, 5, "tick").await;
        sleep(Duration::from_millis(20)).await;
        assert_eq!(log.count("tick"), 5);
        assert!(!background.is_finished());
        drop(chain);
        timeout(LONG, background).await.unwrap().unwrap();
    });
}

#[test]
fn a_plugin_that_fails_in_a_tick_ticks_no_more() {
    on_each(async |runtime| {
        let log = Log::default();
        let plugin = Wat::default()
            .on(
                "configure",
                "(drop (call $tick_period (i32.const 2))) (i32.const 1)",
            )
            .on("tick", "(call $log 'tick') unreachable")
            .load(&common::engines(), runtime);
        let chain = FilterChain::new([plugin]).start(log.platform()).unwrap();
        let _background = spawn_local(chain.background());
        until(&log, 1, "tick").await;
        sleep(Duration::from_millis(20)).await;
        assert_eq!(log.count("tick"), 1);
        let failure = chain.failures().remove(0).unwrap();
        assert_eq!(failure.function(), Some("proxy_on_tick"));
    });
}

#[test]
fn a_queue_wakes_the_plugin_that_registered_it() {
    on_each(async |runtime| {
        let log = Log::default();
        let engines = common::engines();
        let consumer = Wat::default()
            .on(
                "configure",
                "(drop (call $register_queue 'q' (i32.const 12))) (i32.const 1)",
            )
            .on(
                "queue_ready",
                "(drop (call $dequeue (local.get $n) (i32.const 0) (i32.const 4)))
                 (call $log (i32.load (i32.const 0)) (i32.load (i32.const 4)))",
            )
            .load(&engines, runtime);
        // Every other millisecond, one more.
        let producer = Wat::default()
            .on(
                "configure",
                "(drop (call $tick_period (i32.const 2))) (i32.const 1)",
            )
            .on(
                "tick",
                "(if (i32.eqz (call $resolve_queue (i32.const 0) (i32.const 0) 'q' (i32.const 12)))
                     (then (drop (call $enqueue (i32.load (i32.const 12)) 'item'))))",
            )
            .load(&engines, runtime);
        let log_of_producer = Log::default();
        let consumers = FilterChain::new([consumer]).start(log.platform()).unwrap();
        let producers = FilterChain::new([producer])
            .start(log_of_producer.platform())
            .unwrap();
        let _one = spawn_local(consumers.background());
        let _two = spawn_local(producers.background());
        until(&log, 3, "item").await;
    });
}

#[test]
fn a_plugin_that_feeds_itself_leaves_the_thread_to_others() {
    on_each(async |runtime| {
        let log = Log::default();
        let enqueue = "(drop (call $enqueue (i32.load (i32.const 12)) 'item'))";
        let plugin = Wat::default()
            .on(
                "configure",
                &format!("(drop (call $register_queue 'q' (i32.const 12))) {enqueue} (i32.const 1)"),
            )
            .on(
                "queue_ready",
                &format!(
                    "(drop (call $dequeue (local.get $n) (i32.const 0) (i32.const 4)))
                     (global.set $ticks (i32.add (global.get $ticks) (i32.const 1)))
                     (if (i32.lt_u (global.get $ticks) (i32.const 1000)) (then {enqueue}))
                     (if (i32.eq (global.get $ticks) (i32.const 1000)) (then (call $log 'done')))"
                ),
            )
            .load(&common::engines(), runtime);
        let chain = FilterChain::new([plugin]).start(log.platform()).unwrap();
        let _background = spawn_local(chain.background());
        // Between two items, everybody else has a turn.
        for _ in 0..500 {
            tokio::task::yield_now().await;
        }
        assert!(!log.has("done"));
        until(&log, 1, "done").await;
    });
}
