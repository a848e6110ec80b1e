//! What the server runs: the configuration read, its plugins loaded and proved.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model::{Bootstrap, Cluster, Listener, Roots, RouteTable, WasmFilter};
use enginebay::config::{Process, load_bootstrap};
use enginebay::{EngineOptions, Engines, FailState, Failure, Plugin};
use enginebay_http::{ChainOptions, FilterChain, LocalVms, Upstreams};

use super::attributes::{Facts, ServerPlatform};
use super::callouts::SilentUpstreams;
use super::limits::Limits;
use super::routes::Routes;
use super::stats::{ListenerCounts, PluginCounts, Stats};
use super::upstream::Tls;

/// Shared by all threads.
pub(super) struct Plan {
    pub(super) facts: Arc<Facts>,
    pub(super) listeners: Vec<ListenerPlan>,
    pub(super) clusters: Vec<ClusterPlan>,
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
    /// In the statistics while it is there.
    _plugins: Vec<Arc<PluginCounts>>,
}

/// Reads the configuration's file.
pub(super) fn read(path: &Path) -> Result<Bootstrap, String> {
    let file = path.display().to_string();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{file}: {error}"))?;
    load_bootstrap(&text, &file, &Process).map_err(|error| error.to_string())
}

/// Engines with room for the VMs of all workers, and for one more while a plugin is proved.
pub(super) fn engines(
    bootstrap: &Bootstrap,
    workers: usize,
    mut options: EngineOptions,
) -> Result<Engines, String> {
    let filters: usize = bootstrap
        .listeners
        .iter()
        .map(|listener| plugins(listener).count())
        .sum();
    let needed = u32::try_from(filters.saturating_mul(workers).saturating_add(1)).unwrap_or(u32::MAX);
    options.max_instances = options.max_instances.max(needed);
    let registry = enginebay::registry().map_err(|error| error.to_string())?;
    Ok(Engines::with(registry, options))
}

impl Plan {
    /// Loads each plugin and starts it once, in a VM that is dropped then: what can't start must not listen.
    pub(super) fn load(
        file: &str,
        bootstrap: Bootstrap,
        engines: &Engines,
        stats: &Arc<Stats>,
        limits: &Limits,
    ) -> Result<Plan, String> {
        refuse_unsupported(file, &bootstrap)?;
        let facts = Arc::new(Facts::new(&bootstrap, stats.shared().clone(), limits));
        let clusters = bootstrap.clusters;
        let names = clusters.iter().map(|cluster| cluster.name.clone());
        let upstreams = Rc::new(SilentUpstreams(names.collect()));
        let mut listeners = Vec::with_capacity(bootstrap.listeners.len());
        for listener in bootstrap.listeners {
            let mut proved = Vec::with_capacity(plugins(&listener).count());
            for filter in plugins(&listener) {
                let plugin = prove(engines, filter, &facts, upstreams.clone(), stats)
                    .map_err(|failure| refusal(file, filter, &failure))?;
                proved.push(plugin);
            }
            let counted = proved.iter().map(|plugin| stats.plugin(plugin)).collect();
            let loggers = proved.split_off(listener.filters().len());
            let mut options = limits.chain;
            options.body_buffer = usize::try_from(listener.buffer_limit).unwrap_or(usize::MAX);
            let no_routes = RouteTable::default();
            let routes = listener.http().map_or(&no_routes, |http| &http.routes);
            listeners.push(ListenerPlan {
                routes: Routes::new(routes, &clusters),
                chain: FilterChain::new(proved)
                    .with_access_loggers(loggers)
                    .with_options(options),
                counts: stats.listener(listener.tcp().is_some(), listener.stat_prefix()),
                _plugins: counted,
                listener,
            });
        }
        let clusters = clusters.into_iter().map(|cluster| {
            let tls = tls(&cluster).map_err(|problem| format!("{file}: {problem}"))?;
            Ok(ClusterPlan { cluster, tls })
        });
        let clusters = clusters.collect::<Result<_, String>>()?;
        Ok(Plan {
            facts,
            listeners,
            clusters,
        })
    }
}

/// What the configuration can say and this server can't do.
fn refuse_unsupported(file: &str, bootstrap: &Bootstrap) -> Result<(), String> {
    let discovered = bootstrap
        .discoveries()
        .map(|(_, filter, _)| (&filter.path, "filters that are discovered"));
    let services = bootstrap.services.iter();
    let services = services.map(|service| (&service.path, "services (envoy.bootstrap.wasm)"));
    let sinks = bootstrap.stats_sinks.iter();
    let sinks = sinks.map(|sink| (&sink.path, "stats sinks (envoy.stat_sinks.wasm)"));
    let refused = discovered
        .chain(services)
        .chain(sinks)
        .map(|(path, what)| format!("{file}: {path}: this build does not support {what}"));
    let refused: Vec<String> = refused.collect();
    match refused.is_empty() {
        true => Ok(()),
        false => Err(refused.join("\n")),
    }
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

/// The plugins of a listener: its filters, then its access loggers. Everything that counts them has them in this order.
pub(super) fn plugins(listener: &Listener) -> impl Iterator<Item = &WasmFilter> {
    listener.filters().iter().chain(listener.access_loggers())
}

fn prove(
    engines: &Engines,
    filter: &WasmFilter,
    facts: &Arc<Facts>,
    upstreams: Rc<dyn Upstreams>,
    stats: &Arc<Stats>,
) -> Result<Plugin, Failure> {
    let Some(config) = filter.plugin() else {
        let refused = "this build does not support filters that are discovered";
        return Err(Failure::new(FailState::UnableToCreateVm, refused));
    };
    let plugin = Plugin::load(engines, config)?;
    let platform = Rc::new(ServerPlatform::new(facts.clone()));
    let vms = LocalVms::observed(platform, upstreams, ChainOptions::default(), stats.observer());
    vms.prove(&plugin)?;
    Ok(plugin)
}

/// Envoy says this in up to three messages; here they are parts of one line.
fn refusal(file: &str, filter: &WasmFilter, failure: &Failure) -> String {
    let name = filter.plugin().map_or("", |plugin| &plugin.name);
    let message = failure.to_string();
    // The rest is a backtrace, which is in the log.
    let message = message.lines().next().unwrap_or_default();
    let (loaded, envoys) = match failure.state() {
        FailState::StartFailed => (true, "Failed to start base Wasm"),
        FailState::ConfigureFailed => (true, "Failed to configure base Wasm plugin"),
        _ => (false, ""),
    };
    let mut line = format!("{}: {}: Unable to create Wasm plugin {name}: ", file, filter.path);
    if loaded {
        line += &format!("Plugin {name} failed to load: ");
    }
    if !envoys.is_empty() && !message.starts_with(envoys) {
        line += &format!("{envoys}: ");
    }
    line + message
}
