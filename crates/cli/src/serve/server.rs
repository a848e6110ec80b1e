//! The process: start, signals, changes of the configuration, end.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model::Bootstrap;
use enginebay::config::proto::envoy::config::bootstrap::v3::Bootstrap as BootstrapMessage;
use enginebay::host::Shared;
use enginebay_code::CodeSource;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

use super::admin::Admin;
use super::codes::ClusterFetch;
use super::crew::Crew;
use super::limits::Limits;
use super::plan::{self, Found, Loader, Plan};
use super::rig::Rig;
use super::stats::Stats;
use super::worker::Clock;
use super::{Mode, ServeArgs};

/// Runs the server to its end.
pub(super) fn run(args: &ServeArgs) -> Result<(), String> {
    let (bootstrap, message) = plan::read(&args.config)?;
    let workers = worker_count(args);
    let engines = plan::engines(&bootstrap, workers, args.engine.options())?;
    let limits = Limits::new(&args.limits);
    let shared = Shared::new(limits.shared);
    let stats = Arc::new(Stats::new(engines.registry(), workers, shared));
    let admin = match (args.mode, bootstrap.admin) {
        (Mode::Serve, Some(address)) => Some(Admin::start(address, engines.registry(), &stats, args)?),
        _ => None,
    };
    let loader = Arc::new(Loader {
        file: args.config.clone(),
        engines,
        stats: stats.clone(),
        limits,
    });
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("can't start: {error}"))?;
    let tasks = LocalSet::new();
    tasks.block_on(&runtime, async {
        let mut server = Server::new(args, loader, stats, workers);
        if args.mode == Mode::Validate {
            server.load(&bootstrap).await?;
            println!("configuration '{}' OK", args.config.display());
            return Ok(());
        }
        server
            .serve(args, (bootstrap, message), admin.as_ref(), workers)
            .await
    })
}

fn worker_count(args: &ServeArgs) -> usize {
    let count = args
        .concurrency
        .or_else(|| std::thread::available_parallelism().ok());
    count.map_or(1, NonZeroUsize::get)
}

/// Signals that mean something.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

/// What a signal asks for.
enum Asked {
    End(&'static str),
    Reload,
}

impl Signals {
    fn new() -> Result<Self, String> {
        let handler = |kind| signal(kind).map_err(|error| format!("can't handle signals: {error}"));
        Ok(Signals {
            terminate: handler(SignalKind::terminate())?,
            interrupt: handler(SignalKind::interrupt())?,
            hang_up: handler(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.terminate.recv() => Asked::End("SIGTERM"),
            _ = self.interrupt.recv() => Asked::End("SIGINT"),
            _ = self.hang_up.recv() => Asked::Reload,
        }
    }

    async fn end(&mut self) -> &'static str {
        loop {
            if let Asked::End(name) = self.next().await {
                return name;
            }
        }
    }
}

/// The main thread.
struct Server {
    loader: Arc<Loader>,
    stats: Arc<Stats>,
    codes: CodeSource,
    rig: Rc<Rig>,
    /// What runs.
    plan: Option<Arc<Plan>>,
}

impl Server {
    fn new(args: &ServeArgs, loader: Arc<Loader>, stats: Arc<Stats>, workers: usize) -> Self {
        let rig = Rc::new(Rig::new(workers, Rc::new(Clock::default()), &stats));
        let mut options = enginebay_code::Options::default();
        options.directory = args.code_cache.clone();
        let (codes, driver) = CodeSource::new(options, stats.codes());
        spawn_local(driver.run(Rc::new(ClusterFetch(rig.upstreams().clone()))));
        spawn_local(Rig::keep_time(rig.clone()));
        Server {
            loader,
            stats,
            codes,
            rig,
            plan: None,
        }
    }

    async fn serve(
        &mut self,
        args: &ServeArgs,
        (bootstrap, message): (Bootstrap, BootstrapMessage),
        admin: Option<&Admin>,
        workers: usize,
    ) -> Result<(), String> {
        let mut signals = Signals::new()?;
        let mut crew = Crew::start(args, &self.stats, workers)?;
        let begun = tokio::select! {
            begun = self.change(&mut crew, &bootstrap) => begun,
            signal = signals.end() => Err(format!("{signal}: stopped while starting")),
        };
        if let Err(problem) = begun {
            let _ = crew.stop();
            return Err(problem);
        }
        for (name, address) in crew.addresses() {
            tracing::info!("listening on {address} ({name})");
        }
        if let Some(admin) = admin {
            admin.set_listeners(crew.addresses());
            admin.config().set_bootstrap(&message);
        }
        self.stats.set_live(true);
        tracing::info!("ready with {workers} workers");
        let mut watch = args.watch.then(|| super::watch::Watch::new(&args.config));
        let result = loop {
            let reload = tokio::select! {
                asked = signals.next() => match asked {
                    Asked::End(name) => {
                        tracing::info!("{name}: finishing requests");
                        break crew.drain(&mut async || signals.end().await).await;
                    }
                    Asked::Reload => "SIGHUP",
                },
                () = super::watch::changed(&mut watch) => "the file has changed",
                () = crew.lost_one() => break crew.stop(),
            };
            tracing::info!("{}: {reload}: reading it", args.config.display());
            match self.reread(args, &mut crew).await {
                Ok(message) => {
                    tracing::info!("{}: the new configuration is served", args.config.display());
                    if let Some(admin) = admin {
                        admin.set_listeners(crew.addresses());
                        admin.config().set_bootstrap(&message);
                    }
                }
                Err(problems) => {
                    for problem in problems.lines() {
                        tracing::error!("{problem}");
                    }
                    tracing::error!("{}: refused; the old configuration stays", args.config.display());
                }
            }
        };
        self.stats.set_live(false);
        result
    }

    async fn reread(&mut self, args: &ServeArgs, crew: &mut Crew) -> Result<BootstrapMessage, String> {
        let (bootstrap, message) = plan::read(&args.config)?;
        self.change(crew, &bootstrap).await?;
        Ok(message)
    }

    /// Loads a configuration.
    async fn load(&mut self, bootstrap: &Bootstrap) -> Result<Arc<Plan>, String> {
        let found = self.find(bootstrap).await?;
        let (loader, bootstrap, running) = (self.loader.clone(), bootstrap.clone(), self.plan.clone());
        let loaded = spawn_blocking(move || loader.load(&bootstrap, &found, running.as_deref()));
        loaded
            .await
            .map_err(|error| format!("loading a configuration failed: {error}"))?
            .map(Arc::new)
    }

    /// Everything from outside that a configuration needs.
    async fn find(&self, bootstrap: &Bootstrap) -> Result<Found, String> {
        let mut found = Found::default();
        let remote: Vec<_> = plan::remote_codes(bootstrap, &found)
            .map(|(_, plugin, remote)| (remote.clone(), plugin.vm.nack_on_code_cache_miss))
            .collect();
        if remote.is_empty() {
            return Ok(found);
        }
        // What fetches goes through the clusters of the new configuration, if there is none before.
        self.rig.know_clusters(bootstrap).await?;
        for (remote, from_cache) in remote {
            let code = match from_cache {
                true => match self.codes.cached_or_fetch(&remote).await {
                    Some(code) => Ok(code),
                    None => continue,
                },
                false => self.codes.code(&remote).await,
            };
            found.codes.insert(remote.sha256.clone(), code);
        }
        Ok(found)
    }

    /// Serves with another configuration, or with the first one: it is started everywhere before it is served anywhere.
    async fn change(&mut self, crew: &mut Crew, bootstrap: &Bootstrap) -> Result<(), String> {
        let plan = self.load(bootstrap).await?;
        let sockets = crew.bind(&plan)?;
        let here = self.rig.prepare_services(plan.clone()).await?;
        crew.prepare(&plan).await?;
        crew.commit(&plan, sockets).await?;
        self.rig.commit(here);
        self.plan = Some(plan);
        Ok(())
    }
}
