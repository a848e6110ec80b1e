//! The process: start, signals, changes of the configuration, end.

use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model::Bootstrap;
use enginebay::host::Shared;
use enginebay_code::CodeSource;
use tokio::runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{LocalSet, spawn_blocking, spawn_local};

use super::admin::Admin;
use super::codes::ClusterFetch;
use super::config_dump::ConfigDump;
use super::crew::Crew;
use super::discovered::Discovered;
use super::discovery::watch::FileWatch;
use super::discovery::{self, Event, What};
use super::limits::Limits;
use super::plan::{self, Found, Loader, Plan};
use super::rig::Rig;
use super::stats::Stats;
use super::worker::Clock;
use super::{Mode, ServeArgs};

/// Runs the server to its end.
pub(super) fn run(args: &ServeArgs) -> Result<(), String> {
    let registry = enginebay::registry().map_err(|error| error.to_string())?;
    let outside = plan::outside(&registry, args.default_runtime.as_deref())?;
    let (bootstrap, text) = plan::read(&args.config, &outside)?;
    let workers = worker_count(args);
    let limits = Limits::new(&args.limits);
    let engines = plan::engines(
        registry,
        &bootstrap,
        workers,
        limits.chain.lingering,
        args.engine.options(),
    );
    let engines = engines.with_compilation(&args.compilation.options());
    let engines = engines.map_err(|error| error.to_string())?;
    let shared = Shared::new(limits.shared);
    let stats = Arc::new(Stats::new(engines.registry(), workers, shared));
    let config = Arc::new(ConfigDump::default());
    let admin = match (args.mode, bootstrap.admin) {
        (Mode::Serve, Some(address)) => {
            let config = config.clone();
            Some(Admin::start(address, engines.registry(), &stats, config, args)?)
        }
        _ => None,
    };
    let loader = Arc::new(Loader {
        file: args.config.clone(),
        outside,
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
        let mut server = Server::new(args, loader, stats, config, workers);
        if args.mode == Mode::Validate {
            server.bootstrap = bootstrap;
            server.load().await?;
            println!("configuration '{}' OK", args.config.display());
            return Ok(());
        }
        server
            .serve(args, (bootstrap, text), admin.as_ref(), workers)
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
    /// What runs, for people to read.
    config: Arc<ConfigDump>,
    rig: Rc<Rig>,
    /// The configuration, as far as it stands in the file.
    bootstrap: Bootstrap,
    discovered: Discovered,
    /// What runs.
    plan: Option<Arc<Plan>>,
}

/// What the main thread does next.
enum Next {
    /// Reads the configuration again: why.
    Read(&'static str),
    /// Something came for a discovered filter.
    Hear(Event),
}

/// Has the workers finish their requests.
async fn finish(crew: &mut Crew, signals: &mut Signals, name: &str) -> Result<(), String> {
    tracing::info!("{name}: finishing requests");
    crew.drain(&mut async || signals.end().await).await
}

/// Until the file has changed. Never, if it is not watched.
async fn changed(watch: &mut Option<FileWatch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

impl Server {
    fn new(
        args: &ServeArgs,
        loader: Arc<Loader>,
        stats: Arc<Stats>,
        config: Arc<ConfigDump>,
        workers: usize,
    ) -> Self {
        let rig = Rc::new(Rig::new(workers, Rc::new(Clock::default()), &stats));
        let mut options = enginebay_code::Options::default();
        options.directory = args.code_cache.clone();
        options.pull_secrets = args.pull_secrets.clone();
        let (codes, driver) = CodeSource::new(options, stats.codes());
        spawn_local(driver.run(Rc::new(ClusterFetch(rig.upstreams().clone()))));
        spawn_local(Rig::keep_time(rig.clone()));
        spawn_local(rig.sinks().clone().run());
        Server {
            loader,
            stats,
            codes,
            config,
            rig,
            bootstrap: Bootstrap::default(),
            discovered: Discovered::default(),
            plan: None,
        }
    }

    async fn serve(
        &mut self,
        args: &ServeArgs,
        (bootstrap, text): (Bootstrap, String),
        admin: Option<&Admin>,
        workers: usize,
    ) -> Result<(), String> {
        let mut signals = Signals::new()?;
        let mut crew = Crew::start(args, &self.stats, workers)?;
        let begun = tokio::select! {
            begun = self.begin(&mut crew, bootstrap) => begun,
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
        }
        self.config.set_bootstrap(&args.config, &text);
        self.stats.set_live(true);
        tracing::info!("ready with {workers} workers");
        let mut watch = args
            .watch
            .then(|| discovery::watch::file(&args.config, text.as_bytes()));
        let result = loop {
            let what = tokio::select! {
                asked = signals.next() => match asked {
                    Asked::End(name) => break finish(&mut crew, &mut signals, name).await,
                    Asked::Reload => Next::Read("SIGHUP"),
                },
                () = changed(&mut watch) => Next::Read("the file has changed"),
                event = self.discovered.next() => Next::Hear(event),
                () = crew.lost_one() => break crew.stop(),
            };
            // A change may take long: code is fetched, plugins start. It does not keep the server from ending.
            tokio::select! {
                () = self.go_on(args, &mut crew, admin, what) => {}
                name = signals.end() => break finish(&mut crew, &mut signals, name).await,
            }
        };
        self.stats.set_live(false);
        self.rig.sinks().end();
        result
    }

    /// Does what came next.
    async fn go_on(&mut self, args: &ServeArgs, crew: &mut Crew, admin: Option<&Admin>, what: Next) {
        let file = args.config.display();
        let why = match what {
            Next::Read(why) => why,
            Next::Hear(event) => return self.hear(crew, event).await,
        };
        tracing::info!("{file}: {why}: reading it");
        match self.reread(args, crew).await {
            Ok(()) => {
                tracing::info!("{file}: the new configuration is served");
                if let Some(admin) = admin {
                    admin.set_listeners(crew.addresses());
                }
            }
            Err(problems) => {
                for problem in problems.lines() {
                    tracing::error!("{problem}");
                }
                tracing::error!("{file}: refused; the old configuration stays");
            }
        }
    }

    /// Serves the first configuration, once everything it is to wait for was heard of.
    async fn begin(&mut self, crew: &mut Crew, bootstrap: Bootstrap) -> Result<(), String> {
        self.bootstrap = bootstrap;
        if self.bootstrap.discoveries().next().is_some() {
            self.rig.know_clusters(&self.bootstrap).await?;
            self.discovered = self.subscribe()?;
        }
        while !self.discovered.is_warm() {
            let event = self.discovered.next().await;
            if let What::Update(update) = event.what {
                let before = self
                    .discovered
                    .set(&event.subscription, Some(update.resource.plugin.clone()));
                // Whether it is any good is seen before anything is served.
                match self.load().await {
                    Ok(_) => {
                        self.config.set_discovered(&event.subscription, &update.resource);
                        update.verdict.accept();
                    }
                    Err(problems) => {
                        self.discovered.restore(before);
                        update.verdict.refuse(problems);
                    }
                }
            }
        }
        self.change(crew).await
    }

    /// Does what a control plane or a file of a plugin wants.
    async fn hear(&mut self, crew: &mut Crew, event: Event) {
        match event.what {
            What::Update(update) => {
                let before = self
                    .discovered
                    .set(&event.subscription, Some(update.resource.plugin.clone()));
                match self.change(crew).await {
                    Ok(()) => {
                        self.config.set_discovered(&event.subscription, &update.resource);
                        let version = update.resource.version;
                        tracing::info!("{}: version {version:?} is served", event.subscription.name);
                        update.verdict.accept();
                    }
                    Err(problems) => {
                        self.discovered.restore(before);
                        update.verdict.refuse(problems);
                    }
                }
            }
            What::Removed => {
                let before = self.discovered.set(&event.subscription, None);
                match self.change(crew).await {
                    Ok(()) => self.config.remove_discovered(&event.subscription),
                    Err(problems) => {
                        tracing::error!("{}: can't be removed: {problems}", event.subscription.name);
                        self.discovered.restore(before);
                    }
                }
            }
            // The default is served already, or nothing is.
            What::GoOn(why) => tracing::debug!("{}: goes on without: {why:?}", event.subscription.name),
        }
    }

    async fn reread(&mut self, args: &ServeArgs, crew: &mut Crew) -> Result<(), String> {
        let (bootstrap, text) = plan::read(&args.config, &self.loader.outside)?;
        let same = {
            let wanted = |bootstrap: &Bootstrap| -> Vec<_> {
                let discoveries = bootstrap.discoveries();
                discoveries
                    .map(|(_, filter, discovery)| (filter.name.clone(), discovery.clone()))
                    .collect()
            };
            wanted(&bootstrap) == wanted(&self.bootstrap)
        };
        let old = std::mem::replace(&mut self.bootstrap, bootstrap);
        let mut asked = None;
        if !same {
            // What comes of the new ones is served as it comes; until then their filters do as without it.
            match self.subscribe() {
                Ok(new) => asked = Some(std::mem::replace(&mut self.discovered, new)),
                Err(problem) => {
                    self.bootstrap = old;
                    return Err(problem);
                }
            }
        }
        let changed = self.change(crew).await;
        if changed.is_err() {
            self.bootstrap = old;
            if let Some(asked) = asked {
                self.discovered = asked;
            }
            return changed;
        }
        if asked.is_some() {
            self.config.forget_discovered();
        }
        self.config.set_bootstrap(&args.config, &text);
        Ok(())
    }

    /// Asks for what the configuration says is to come.
    fn subscribe(&self) -> Result<Discovered, String> {
        Discovered::subscribe(&self.bootstrap, self.rig.upstreams(), &self.loader.outside)
    }

    /// Loads a configuration.
    async fn load(&mut self) -> Result<Arc<Plan>, String> {
        let found = self.find().await?;
        let (loader, bootstrap, running) = (self.loader.clone(), self.bootstrap.clone(), self.plan.clone());
        let loaded = spawn_blocking(move || loader.load(&bootstrap, &found, running.as_deref()));
        loaded
            .await
            .map_err(|error| format!("loading a configuration failed: {error}"))?
            .map(Arc::new)
    }

    /// Everything from outside that a configuration needs.
    async fn find(&self) -> Result<Found, String> {
        let mut found = Found {
            discovered: self.discovered.plugins().clone(),
            ..Found::default()
        };
        let remote: Vec<_> = plan::remote_codes(&self.bootstrap, &found)
            .map(|(_, plugin, remote)| (remote.clone(), plugin.vm.nack_on_code_cache_miss))
            .collect();
        if remote.is_empty() {
            return Ok(found);
        }
        // What fetches goes through the clusters of the new configuration, if there is none before.
        self.rig.know_clusters(&self.bootstrap).await?;
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
    async fn change(&mut self, crew: &mut Crew) -> Result<(), String> {
        let plan = self.load().await?;
        let sockets = crew.bind(&plan)?;
        let here = self.rig.prepare_services(plan.clone()).await?;
        crew.prepare(&plan).await?;
        crew.commit(&plan, sockets).await?;
        self.rig.commit(here);
        self.plan = Some(plan);
        Ok(())
    }
}
