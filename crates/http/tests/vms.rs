//! Which plugins share a VM and a root context, when VMs go, and what starts a failed plugin anew.

mod common;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::guests::Wat;
use common::{Log, Upstream, engines, get, request};
use enginebay::config::model;
use enginebay::engine::{Compiler, Engine, Error, LoadRequest, Module, ModuleInfo, ResolvedLimits, Runtime};
use enginebay::{BackOff, EngineOptions, Engines, Failure, FailurePolicy, Plugin};
use enginebay_http::{Body, FilterChain, LocalChain, LocalVms, Observer, Reload};
use http::{Request, Response};
use http_body_util::BodyExt;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;
use tower::ServiceExt;

/// Counts what is heard of VMs.
#[derive(Default)]
struct Counts(RefCell<BTreeMap<&'static str, usize>>);

impl Counts {
    fn note(&self, what: &'static str) {
        *self.0.borrow_mut().entry(what).or_default() += 1;
    }

    fn of(&self, what: &str) -> usize {
        self.0.borrow().get(what).copied().unwrap_or_default()
    }
}

impl Observer for Counts {
    fn vm_created(&self, _: &Plugin) {
        self.note("created");
    }

    fn vm_dropped(&self, _: &Plugin) {
        self.note("dropped");
    }

    fn vm_failed(&self, _: &Plugin, _: &Failure) {
        self.note("failed");
    }

    fn reload(&self, _: &Plugin, reload: Reload) {
        self.note(match reload {
            Reload::BackOff => "backoff",
            Reload::Success => "success",
            Reload::Failure => "failure",
        });
    }
}

/// A thread with its VMs.
struct Bay {
    engines: Engines,
    vms: LocalVms,
    log: Log,
    counts: Rc<Counts>,
}

fn bay() -> Bay {
    let log = Log::default();
    let counts = Rc::<Counts>::default();
    Bay {
        engines: engines(),
        vms: LocalVms::observed(log.platform(), Rc::new(()), Default::default(), counts.clone()),
        log,
        counts,
    }
}

impl Bay {
    fn plugin(&self, wat: &Wat, change: impl FnOnce(&mut model::Plugin)) -> Plugin {
        let mut config = model::Plugin::new(common::QUICK, model::Code::InlineBytes(wat.code()));
        change(&mut config);
        Plugin::load(&self.engines, &config).unwrap()
    }

    fn start(&self, plugins: impl IntoIterator<Item = Plugin>) -> LocalChain {
        self.vms.start(&FilterChain::new(plugins)).unwrap()
    }
}

fn on_one_thread(test: impl Future<Output = ()>) {
    let tokio = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    tokio.block_on(LocalSet::new().run_until(test));
}

async fn status(chain: &LocalChain, request: Request<Body>) -> u16 {
    let response = chain.service(Upstream::default()).oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    response.into_body().collect().await.ok();
    status
}

/// Says which context a stream got, and counts the starts of plugins.
fn teller() -> Wat {
    Wat::default()
        .on("configure", "(call $log 'configure') (i32.const 1)")
        .on(
            "request_headers",
            "(call $log_digit (local.get $id)) (i32.const 0)",
        )
        .on("log", "(call $log 'log') (call $log_digit (local.get $id))")
        .on("done", "(call $log 'done') (i32.const 1)")
}

#[test]
fn plugins_share_what_they_have_in_common() {
    on_one_thread(async {
        let bay = bay();
        let wat = teller();
        let name = |name: &str| {
            let name = name.to_owned();
            move |config: &mut model::Plugin| config.root_id = name
        };
        // Two of one root context, one of another.
        let chain = bay.start([
            bay.plugin(&wat, name("a")),
            bay.plugin(&wat, name("a")),
            bay.plugin(&wat, name("b")),
        ]);
        let usage = bay.vms.usage();
        assert_eq!((usage.vms, usage.roots), (1, 2));
        assert_eq!(bay.log.count("configure"), 2);
        assert_eq!(status(&chain, get("/")).await, 200);
        assert_eq!(bay.log.lines()[2..5], ["3", "4", "5"]);
        // Everything else that may be different makes another VM.
        let other: [fn(&mut model::Plugin); 3] = [
            |config| config.vm.vm_id = "other".to_owned(),
            |config| config.vm.configuration = b"other".to_vec(),
            |config| config.vm.environment = vec![("KEY".to_owned(), "other".to_owned())],
        ];
        let others = other.map(|change| bay.start([bay.plugin(&wat, change)]));
        let more = bay.start([bay.plugin(&teller().on("tick", ""), |_| {})]);
        assert_eq!(bay.vms.usage().vms, 5);
        drop((others, more));
        assert_eq!(bay.vms.usage().vms, 1);
        // Only what the plugin itself is configured with makes another root context.
        let same_vm: [fn(&mut model::Plugin); 3] = [
            |config| config.configuration = b"other".to_vec(),
            |config| config.name = "other".to_owned(),
            |config| config.allow_on_headers_stop_iteration = Some(true),
        ];
        let others = same_vm.map(|change| bay.start([bay.plugin(&wat, change)]));
        let usage = bay.vms.usage();
        assert_eq!((usage.vms, usage.roots), (1, 5));
        drop(others);
        assert_eq!(bay.vms.usage().roots, 2);
        drop(chain);
        assert_eq!(bay.vms.usage(), Default::default());
        assert_eq!((bay.counts.of("created"), bay.counts.of("dropped")), (5, 5));
    });
}

#[test]
fn a_filter_and_an_access_logger_share_a_root_context() {
    on_one_thread(async {
        let bay = bay();
        let plugin = bay.plugin(&teller(), |_| {});
        let chain = FilterChain::new([plugin.clone()]).with_access_loggers([plugin]);
        let chain = bay.vms.start(&chain).unwrap();
        assert_eq!(status(&chain, get("/")).await, 200);
        assert_eq!(
            bay.log.lines(),
            ["configure", "2", "log", "2", "log", "1", "done"]
        );
    });
}

#[test]
fn a_root_context_ends_with_its_last_stream() {
    on_one_thread(async {
        let bay = bay();
        let chain = bay.start([bay.plugin(&teller(), |_| {})]);
        let response = chain
            .service(Upstream::default())
            .oneshot(get("/"))
            .await
            .unwrap();
        drop(chain);
        assert_eq!(bay.vms.usage().streams, 1);
        assert_eq!(bay.log.count("done"), 0);
        drop(response);
        assert_eq!(bay.vms.usage().vms, 0);
        assert_eq!(bay.log.count("done"), 2);
    });
}

#[test]
fn timers_go_with_their_root_context() {
    on_one_thread(async {
        let bay = bay();
        let ticker = |name: &str| {
            Wat::default()
                .on(
                    "configure",
                    "(drop (call $tick_period (i32.const 1))) (i32.const 1)",
                )
                .on(
                    "tick",
                    &format!("(call $log '{name}') (call $log_digit (local.get $id))"),
                )
        };
        let wat = ticker("tick");
        let keep = bay.start([bay.plugin(&wat, |_| {})]);
        let go = bay.start([bay.plugin(&wat, |config| config.root_id = "go".to_owned())]);
        spawn_local(bay.vms.background());
        while bay.log.count("1") < 2 || bay.log.count("2") < 2 {
            sleep(Duration::from_millis(1)).await;
        }
        drop(go);
        let (before, others) = (bay.log.count("2"), bay.log.count("1"));
        while bay.log.count("1") < others + 3 {
            sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(bay.log.count("2"), before);
        drop(keep);
        let ticks = bay.log.count("tick");
        sleep(Duration::from_millis(20)).await;
        assert_eq!(bay.log.count("tick"), ticks);
    });
}

/// Traps when the request has the header `x-crash`, and in configure when it was started more often than `starts` says.
fn crasher() -> Wat {
    let mut wat = Wat::default();
    let name = wat.text("x-crash");
    wat.on(
        "request_headers",
        &format!(
            "(if (i32.eqz (call $get (i32.const 0) {name} (i32.const 0) (i32.const 4))) (then unreachable))
             (i32.const 0)"
        ),
    )
}

fn reloading(base: u64) -> impl FnOnce(&mut model::Plugin) {
    let mut back_off = BackOff::default();
    back_off.base_interval = Duration::from_millis(base);
    back_off.max_interval = Duration::from_millis(10 * base);
    move |config| config.failure_policy = FailurePolicy::FailReload(back_off)
}

fn crash() -> Request<Body> {
    request("/", &[("x-crash", "1")], Body::empty())
}

#[test]
fn a_failed_plugin_is_started_anew_after_its_back_off() {
    on_one_thread(async {
        let bay = bay();
        let chain = bay.start([bay.plugin(&crasher(), reloading(50))]);
        assert_eq!(status(&chain, get("/")).await, 200);
        assert_eq!(status(&chain, crash()).await, 503);
        assert_eq!(status(&chain, get("/")).await, 503);
        assert_eq!((bay.counts.of("failed"), bay.counts.of("backoff")), (1, 1));
        sleep(Duration::from_millis(60)).await;
        assert_eq!(status(&chain, get("/")).await, 200);
        assert_eq!((bay.counts.of("created"), bay.counts.of("dropped")), (2, 1));
        // It had worked, so the next wait is as short.
        assert_eq!(status(&chain, crash()).await, 503);
        assert_eq!(status(&chain, get("/")).await, 503);
        sleep(Duration::from_millis(60)).await;
        assert_eq!(status(&chain, get("/")).await, 200);
        assert_eq!((bay.counts.of("success"), bay.counts.of("failure")), (2, 0));
        assert_eq!(bay.vms.usage().vms, 1);
    });
}

#[test]
fn one_that_crashes_again_and_again_waits_longer() {
    on_one_thread(async {
        let bay = bay();
        let chain = bay.start([bay.plugin(&crasher(), reloading(10))]);
        for _ in 0..200 {
            assert_eq!(status(&chain, crash()).await, 503);
            sleep(Duration::from_millis(1)).await;
        }
        // 10, 20, 40, 80, 100, ... ms; there were 200 ms at least.
        let starts = bay.counts.of("success");
        assert!((3..=60).contains(&starts), "{starts}");
        assert_eq!(bay.counts.of("created"), starts + 1);
        assert_eq!(bay.vms.usage().vms, 1);
    });
}

#[test]
fn streams_of_a_failed_vm_end_there_while_others_use_the_new_one() {
    on_one_thread(async {
        let bay = bay();
        let wat = crasher().on("response_headers", "(i32.const 0)");
        let chain = bay.start([bay.plugin(&wat, reloading(10))]);
        let mut upstream = Upstream::default();
        let (to, body) = common::channel();
        let body = std::sync::Mutex::new(Some(body));
        upstream.respond(move || Response::new(body.lock().unwrap().take().unwrap()));
        // Its headers passed the plugin, which sees no bodies.
        let response = chain.service(upstream).oneshot(get("/")).await.unwrap();
        assert_eq!(status(&chain, crash()).await, 503);
        assert_eq!(status(&chain, get("/")).await, 503);
        sleep(Duration::from_millis(15)).await;
        assert_eq!(status(&chain, get("/")).await, 200);
        to.send("rest").unwrap();
        drop(to);
        assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "rest");
        assert_eq!((bay.counts.of("created"), bay.counts.of("dropped")), (2, 1));
    });
}

#[test]
fn one_plugin_of_a_vm_that_is_started_anew_takes_no_other_with_it() {
    on_one_thread(async {
        let bay = bay();
        let wat = crasher();
        let reload = bay.plugin(&wat, reloading(10));
        let closed = bay.plugin(&wat, |config| config.root_id = "closed".to_owned());
        let (reload, closed) = (bay.start([reload]), bay.start([closed]));
        assert_eq!(bay.vms.usage().vms, 1);
        assert_eq!(status(&reload, crash()).await, 503);
        assert_eq!(status(&reload, get("/")).await, 503);
        sleep(Duration::from_millis(15)).await;
        assert_eq!(status(&reload, get("/")).await, 200);
        assert_eq!(status(&closed, get("/")).await, 503);
        // A new chain with the same plugin begins in the VM that works.
        let again = bay.plugin(&wat, |config| config.root_id = "closed".to_owned());
        assert_eq!(status(&bay.start([again]), get("/")).await, 200);
        assert_eq!(bay.counts.of("created"), 2);
    });
}

/// An engine that waits before it compiles until the gate is open.
struct Gated {
    engine: Arc<dyn Engine>,
    gate: Arc<AtomicBool>,
}

impl Engine for Gated {
    fn limits(&self) -> &ResolvedLimits {
        self.engine.limits()
    }

    fn compile(&self, request: &LoadRequest<'_>, info: &ModuleInfo) -> Result<Arc<dyn Module>, Error> {
        while !self.gate.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.engine.compile(request, info)
    }
}

thread_local! {
    /// Of this test.
    static GATE: Arc<AtomicBool> = Arc::default();
}

/// Engines for which the code of modules gets better when the gate is open.
fn improving() -> Engines {
    let registry = enginebay::registry().unwrap();
    let runtime = registry.get(common::QUICK).unwrap().runtime;
    let improving = Runtime {
        capabilities: runtime.capabilities.with_baseline_compiler(true),
        factory: |options, limits| {
            let registry = enginebay::registry()?;
            let engine = (registry.get(common::QUICK)?.runtime.factory)(&EngineOptions::default(), limits)?;
            Ok(match options.compiler {
                Compiler::Baseline => engine,
                _ => Arc::new(Gated {
                    engine,
                    gate: GATE.with(Arc::clone),
                }),
            })
        },
        ..*runtime
    };
    let mut registry = enginebay::Registry::empty();
    registry.register(improving).unwrap();
    let mut compilation = enginebay::Compilation::default();
    compilation.baseline_first = true;
    compilation.better_after = Duration::ZERO;
    Engines::with(registry, EngineOptions::default())
        .with_compilation(&compilation)
        .unwrap()
}

async fn until_better(plugin: &Plugin) {
    while plugin.program().unwrap().generation() == 0 {
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn streams_go_to_a_new_vm_when_there_is_better_code() {
    on_one_thread(async {
        let mut bay = bay();
        bay.engines = improving();
        let wat = teller();
        let of = |root: &'static str| move |config: &mut model::Plugin| config.root_id = root.to_owned();
        let (one, two) = (bay.plugin(&wat, of("one")), bay.plugin(&wat, of("two")));
        let (first, second) = (bay.start([one.clone()]), bay.start([two.clone()]));
        let resident = bay.vms.reside(&two).unwrap();
        let before = first
            .service(Upstream::default())
            .oneshot(get("/"))
            .await
            .unwrap();
        GATE.with(|gate| gate.store(true, Ordering::Relaxed));
        until_better(&one).await;
        // Nobody has looked yet.
        assert_eq!(status(&first, get("/")).await, 200);
        let created = bay.counts.of("created");
        bay.vms.renew();
        assert_eq!(status(&first, get("/")).await, 200);
        assert_eq!(bay.counts.of("created"), created + 1);
        // Both VMs are there: a stream and the other plugin are in the old one.
        let usage = bay.vms.usage();
        assert_eq!((usage.vms, usage.roots, usage.streams), (2, 3, 1));
        assert_eq!(status(&second, get("/")).await, 200);
        resident.revive();
        drop(before);
        let usage = bay.vms.usage();
        assert_eq!((usage.vms, usage.roots, usage.streams), (1, 2, 0));
        assert_eq!(bay.counts.of("created"), created + 1);
        // It is as good as it gets.
        bay.vms.renew();
        assert_eq!(status(&first, get("/")).await, 200);
        assert_eq!(bay.counts.of("created"), created + 1);
        assert_eq!(bay.counts.of("failed"), 0);
    });
}

#[test]
fn a_plugin_that_can_not_be_started_again_stays_where_it_is() {
    on_one_thread(async {
        let mut bay = bay();
        bay.engines = improving();
        // The start leaves a queue behind, and fails where it finds one.
        let mut wat = Wat::default();
        let name = wat.text("started");
        let wat = wat.on(
            "configure",
            &format!(
                "(if (call $resolve_queue (i32.const 0) (i32.const 0) {name} (i32.const 0))
                    (then (drop (call $register_queue {name} (i32.const 0))) (return (i32.const 1))))
                 (i32.const 0)"
            ),
        );
        let plugin = bay.plugin(&wat, |_| {});
        let chain = bay.start([plugin.clone()]);
        GATE.with(|gate| gate.store(true, Ordering::Relaxed));
        until_better(&plugin).await;
        for _ in 0..3 {
            bay.vms.renew();
            assert_eq!(status(&chain, get("/")).await, 200);
        }
        assert_eq!((bay.counts.of("created"), bay.counts.of("dropped")), (2, 1));
        assert_eq!(bay.vms.usage().vms, 1);
    });
}
