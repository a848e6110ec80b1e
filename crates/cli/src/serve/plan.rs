//! What the server runs: the configuration read, its plugins loaded and proved.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use enginebay::abi::Callback;
use enginebay::config::model::{
    self, Bootstrap, Cluster, Code, Listener, RemoteCode, Roots, RouteTable, StatsFlush, WasmFilter,
};
use enginebay::config::{Process, Runtimes, load_bootstrap};
use enginebay::{
    Absent, EngineOptions, Engines, FailState, Failure, Plugin, PluginConfig, Registry, VmKey, with_runtimes,
};
use enginebay_code::{Code as Bytes, LoadError};
use enginebay_http::{ChainOptions, FilterChain, LocalVms};

use super::attributes::{Facts, ServerPlatform};
use super::callouts::SilentUpstreams;
use super::limits::Limits;
use super::routes::Routes;
use super::stats::{ListenerCounts, PluginCounts, Stats};
use super::upstream::Tls;
use crate::names;

/// One configuration, ready to run. Shared by all threads.
pub(super) struct Plan {
    pub(super) facts: Arc<Facts>,
    pub(super) listeners: Vec<ListenerPlan>,
    pub(super) clusters: Vec<ClusterPlan>,
    pub(super) services: Vec<ServicePlan>,
    /// The stats sinks, which are the main thread's.
    pub(super) sinks: Vec<Plugin>,
    /// When they are told.
    pub(super) flush: StatsFlush,
    /// The bounds on callouts.
    pub(super) callout_options: ChainOptions,
    /// What was proved. The plugins are in the plan, so that nothing else comes to have their keys.
    proved: HashSet<Identity>,
    /// Their numbers, which are in the statistics as long as somebody has them.
    _counts: Vec<Arc<PluginCounts>>,
}

pub(super) struct ClusterPlan {
    pub(super) cluster: Cluster,
    pub(super) tls: Option<Arc<Tls>>,
}

pub(super) struct ListenerPlan {
    pub(super) listener: Listener,
    /// None for TCP.
    pub(super) routes: Routes,
    pub(super) chain: FilterChain,
    pub(super) counts: Arc<ListenerCounts>,
}

pub(super) struct ServicePlan {
    pub(super) plugin: Plugin,
    pub(super) singleton: bool,
}

/// What makes a listener of another configuration the same one: its sockets and connections stay.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ListenerKey {
    name: String,
    pub(super) address: SocketAddr,
    tcp: bool,
}

impl ListenerKey {
    pub(super) fn of(listener: &Listener) -> Self {
        ListenerKey {
            name: listener.name.clone(),
            address: listener.address,
            tcp: listener.tcp().is_some(),
        }
    }

    pub(super) fn is_tcp(&self) -> bool {
        self.tcp
    }
}

/// What came from outside of the configuration's file.
#[derive(Default)]
pub(super) struct Found {
    /// Remote code, by its digest, or why there is none.
    pub(super) codes: HashMap<String, Result<Bytes, LoadError>>,
    /// The plugins of discovered filters, by the filter's place in [`Bootstrap::discoveries`].
    pub(super) discovered: HashMap<usize, Arc<model::Plugin>>,
}

/// What configurations of the server need from outside.
pub(super) type Outside = Runtimes<Process>;

/// This process with these runtimes, and the one for plugins that name none.
///
/// # Errors
/// There is no such runtime.
pub(super) fn outside(registry: &Registry, default: Option<&str>) -> Result<Outside, String> {
    let mut outside = with_runtimes(registry, Process);
    if let Some(name) = default {
        let found = names::find(registry, "--default-runtime", name).map_err(|error| error.to_string())?;
        outside.default = Some(found.name.to_owned());
    }
    Ok(outside)
}

/// Reads the configuration's file. Also gives its text.
pub(super) fn read(path: &Path, outside: &Outside) -> Result<(Bootstrap, String), String> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    let bootstrap = load_bootstrap(&text, &file, outside).map_err(|error| error.to_string())?;
    Ok((bootstrap, text))
}

/// Engines with room for the VMs of all workers three times over, so that a configuration can be started beside another, for
/// those that are proved, and on each worker for as many as may linger.
pub(super) fn engines(
    registry: Registry,
    bootstrap: &Bootstrap,
    workers: usize,
    lingering: usize,
    mut options: EngineOptions,
) -> Engines {
    let plugins = bootstrap.plugins().count() + bootstrap.discoveries().count();
    let needed = plugins
        .saturating_mul(3)
        .saturating_add(lingering)
        .saturating_mul(workers + 1)
        .saturating_add(16);
    options.max_instances = options
        .max_instances
        .max(u32::try_from(needed).unwrap_or(u32::MAX));
    Engines::with(registry, options)
}

/// The remote code that a configuration needs, with the path of each plugin.
pub(super) fn remote_codes<'a>(
    bootstrap: &'a Bootstrap,
    found: &'a Found,
) -> impl Iterator<Item = (&'a str, &'a model::Plugin, &'a RemoteCode)> {
    let discovered = found.discovered.values();
    let discovered = discovered.map(|plugin| ("a discovered configuration", &**plugin));
    bootstrap
        .plugins()
        .chain(discovered)
        .filter_map(|(path, plugin)| match &plugin.vm.code {
            Code::Remote(remote) => Some((path, plugin, remote)),
            _ => None,
        })
}

/// Makes plans.
pub(super) struct Loader {
    pub(super) file: PathBuf,
    pub(super) outside: Outside,
    pub(super) engines: Engines,
    pub(super) stats: Arc<Stats>,
    pub(super) limits: Limits,
}

/// What makes a plugin another one.
type Identity = (VmKey, PluginConfig);

/// The way through one configuration.
struct Loading<'a> {
    loader: &'a Loader,
    found: &'a Found,
    facts: Arc<Facts>,
    upstreams: Rc<SilentUpstreams>,
    running: Option<&'a Plan>,
    proved: HashSet<Identity>,
    counts: Vec<Arc<PluginCounts>>,
    /// Discovered filters so far.
    discoveries: usize,
    problems: Vec<String>,
}

impl Loader {
    /// Loads each plugin and starts it once, in a VM that is dropped then, unless one just like it runs already: what can't start
    /// must not serve.
    ///
    /// # Errors
    /// All problems, a line each.
    pub(super) fn load(
        &self,
        bootstrap: &Bootstrap,
        found: &Found,
        running: Option<&Plan>,
    ) -> Result<Plan, String> {
        let file = self.file.display().to_string();
        let facts = Arc::new(Facts::new(bootstrap, self.stats.shared().clone(), &self.limits));
        let names = bootstrap.clusters.iter().map(|cluster| cluster.name.clone());
        let mut loading = Loading {
            loader: self,
            found,
            facts: facts.clone(),
            upstreams: Rc::new(SilentUpstreams(names.collect())),
            running,
            proved: HashSet::new(),
            counts: Vec::new(),
            discoveries: 0,
            problems: Vec::new(),
        };
        let listeners = bootstrap.listeners.iter().map(|listener| {
            let chain = loading.chain(listener);
            let no_routes = RouteTable::default();
            let routes = listener.http().map_or(&no_routes, |http| &http.routes);
            ListenerPlan {
                routes: Routes::new(routes, &bootstrap.clusters),
                chain,
                counts: self
                    .stats
                    .listener(listener.tcp().is_some(), listener.stat_prefix()),
                listener: listener.clone(),
            }
        });
        let listeners = listeners.collect();
        let services = bootstrap.services.iter().filter_map(|service| {
            let plugin = loading.plugin(&service.path, &service.plugin)?;
            let singleton = service.singleton;
            Some(ServicePlan { plugin, singleton })
        });
        let services = services.collect();
        let sinks = bootstrap.stats_sinks.iter();
        let sinks = sinks.filter_map(|sink| {
            let plugin = loading.plugin(&sink.path, &sink.plugin)?;
            let callback = Callback::EnvoyOnStatsUpdate;
            if plugin
                .program()
                .is_some_and(|program| !program.has_callback(callback))
            {
                tracing::warn!(
                    "{}: the plugin does not export {callback} or may not be called for it",
                    sink.path
                );
            }
            Some(plugin)
        });
        let sinks = sinks.collect();
        let clusters = clusters(bootstrap)
            .filter_map(|cluster| cluster.map_err(|problem| loading.problems.push(problem)).ok());
        let clusters = clusters.collect();
        let Loading {
            proved,
            counts,
            problems,
            ..
        } = loading;
        if !problems.is_empty() {
            let lines = problems.iter().map(|problem| format!("{file}: {problem}"));
            return Err(lines.collect::<Vec<_>>().join("\n"));
        }
        Ok(Plan {
            facts,
            listeners,
            clusters,
            services,
            sinks,
            flush: bootstrap.stats_flush,
            callout_options: self.limits.chain,
            proved,
            _counts: counts,
        })
    }
}

impl Loading<'_> {
    fn chain(&mut self, listener: &Listener) -> FilterChain {
        let mut load = |filters: &[WasmFilter]| -> Vec<Plugin> {
            filters.iter().filter_map(|filter| self.filter(filter)).collect()
        };
        let filters = load(listener.filters());
        let loggers = load(listener.access_loggers());
        let mut options = self.loader.limits.chain;
        options.body_buffer = usize::try_from(listener.buffer_limit).unwrap_or(usize::MAX);
        FilterChain::new(filters)
            .with_access_loggers(loggers)
            .with_options(options)
    }

    fn filter(&mut self, filter: &WasmFilter) -> Option<Plugin> {
        let Some(discovery) = filter.discovery() else {
            return self.plugin(&filter.path, filter.plugin()?);
        };
        let place = self.discoveries;
        self.discoveries += 1;
        match (self.found.discovered.get(&place), &discovery.default) {
            (Some(plugin), _) => self.plugin(&filter.path, plugin),
            (None, Some(default)) => self.plugin(&default.path, &default.plugin),
            (None, None) => Some(Plugin::absent(
                &filter.name,
                Default::default(),
                Absent::Configuration,
            )),
        }
    }

    /// The plugin, proved.
    fn plugin(&mut self, path: &str, config: &model::Plugin) -> Option<Plugin> {
        let engines = &self.loader.engines;
        let loaded = match &config.vm.code {
            Code::Remote(remote) => match self.found.codes.get(&remote.sha256) {
                Some(Ok(code)) => Plugin::load_code(engines, config, code.bytes()),
                _ if config.vm.nack_on_code_cache_miss => {
                    let problem = refusal(path, config, "its code is not in the cache; it is being fetched");
                    self.problems.push(problem);
                    return None;
                }
                Some(Err(error)) => {
                    tracing::error!(
                        "{path}: Failed to load Wasm code (fetch failed) from {}: {error}",
                        remote.uri
                    );
                    return Some(Plugin::absent(&config.name, config.failure_policy, Absent::Code));
                }
                None => return Some(Plugin::absent(&config.name, config.failure_policy, Absent::Code)),
            },
            _ => Plugin::load(engines, config),
        };
        match loaded.and_then(|plugin| self.prove(plugin)) {
            Ok(plugin) => Some(plugin),
            Err(failure) => {
                self.problems.push(refused(path, config, &failure));
                None
            }
        }
    }

    fn prove(&mut self, plugin: Plugin) -> Result<Plugin, Failure> {
        // Its numbers are there before it does anything.
        self.counts.push(self.loader.stats.plugin(&plugin));
        let Some(key) = plugin.vm_key() else {
            return Ok(plugin);
        };
        let identity = (key, plugin.config().clone());
        let runs = self.running.is_some_and(|plan| plan.proved.contains(&identity));
        let known = runs || self.proved.contains(&identity);
        if !known {
            let platform = Rc::new(ServerPlatform::new(self.facts.clone()));
            let observer = self.loader.stats.observer();
            LocalVms::observed(
                platform,
                self.upstreams.clone(),
                ChainOptions::default(),
                observer,
            )
            .prove(&plugin)?;
        }
        self.proved.insert(identity);
        Ok(plugin)
    }
}

/// The clusters of a configuration, ready for TLS.
pub(super) fn clusters(bootstrap: &Bootstrap) -> impl Iterator<Item = Result<ClusterPlan, String>> {
    bootstrap.clusters.iter().map(|cluster| {
        Ok(ClusterPlan {
            cluster: cluster.clone(),
            tls: tls(cluster)?,
        })
    })
}

fn tls(cluster: &Cluster) -> Result<Option<Arc<Tls>>, String> {
    let Some(config) = &cluster.tls else {
        return Ok(None);
    };
    if config.roots == Roots::Unverified || config.accept_untrusted {
        tracing::warn!(
            "cluster {}: its hosts' certificates are not verified ({}.validation_context)",
            cluster.name,
            config.path
        );
    }
    Tls::new(config, cluster.http2).map(|tls| Some(Arc::new(tls)))
}

fn refusal(path: &str, plugin: &model::Plugin, why: &str) -> String {
    format!("{path}: Unable to create Wasm plugin {}: {why}", plugin.name)
}

/// How messages begin about code that could not be read: see [`enginebay::read_code`].
const UNREAD: [&str; 2] = ["Invalid path: ", "vm_config.code"];

/// Envoy says this in up to three messages; here they are parts of one line.
fn refused(path: &str, plugin: &model::Plugin, failure: &Failure) -> String {
    let name = &plugin.name;
    let message = failure.to_string();
    // The rest is a backtrace, which is in the log.
    let message = message.lines().next().unwrap_or_default();
    let (loaded, envoys) = match failure.state() {
        FailState::StartFailed => (true, "Failed to start base Wasm"),
        FailState::ConfigureFailed => (true, "Failed to configure base Wasm plugin"),
        // What was not even read does not count.
        FailState::UnableToInitializeCode if !UNREAD.iter().any(|begin| message.starts_with(begin)) => {
            (false, "Failed to load Wasm code")
        }
        _ => (false, ""),
    };
    let mut why = String::new();
    if loaded {
        why += &format!("Plugin {name} failed to load: ");
    }
    if !envoys.is_empty() && !message.starts_with(envoys) {
        why += &format!("{envoys}: ");
    }
    refusal(path, plugin, &(why + message))
}
