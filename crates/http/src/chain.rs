//! Chains of plugins, and their VMs on one thread.

use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;

use enginebay::abi::{Callback, HostFunction};
use enginebay::{Failure, FailurePolicy, HeaderMap, Platform, Plugin, Vm};

use crate::fields::Known;
use crate::handle::Handle;
use crate::state::{Dir, Stream};
use crate::vms::LocalPlugin;
use crate::{ChainOptions, LocalLayer, LocalService, LocalVms, Upstreams};

/// An ordered list of plugins with their options. Cheap to clone, shared by all threads.
#[derive(Clone)]
pub struct FilterChain {
    plugins: Arc<[Plugin]>,
    loggers: Arc<[Plugin]>,
    options: ChainOptions,
}

impl FilterChain {
    /// A chain of these plugins, in the order in which requests pass them. Without any, everything passes
    /// untouched.
    pub fn new(plugins: impl IntoIterator<Item = Plugin>) -> Self {
        FilterChain {
            plugins: plugins.into_iter().collect(),
            loggers: Arc::default(),
            options: ChainOptions::default(),
        }
    }

    /// The same chain with these access loggers: plugins that streams, and the connections of [`LocalChain::tcp`], do not
    /// pass, but that are told of each when it is over (`proxy_on_log` of their root context), in order, after the plugins
    /// of the chain. A failed one is told of nothing more, whatever its failure policy says, and harms no stream.
    #[must_use]
    pub fn with_access_loggers(self, loggers: impl IntoIterator<Item = Plugin>) -> Self {
        FilterChain {
            loggers: loggers.into_iter().collect(),
            ..self
        }
    }

    /// The same chain with these options.
    #[must_use]
    pub fn with_options(self, options: ChainOptions) -> Self {
        FilterChain { options, ..self }
    }

    /// The plugins, in order.
    pub fn plugins(&self) -> &[Plugin] {
        &self.plugins
    }

    /// The access loggers, in order.
    pub fn access_loggers(&self) -> &[Plugin] {
        &self.loggers
    }

    /// Whether there is anything in the chain: without plugins and access loggers, streams cost nothing.
    pub fn is_empty(&self) -> bool {
        self.plugins.is_empty() && self.loggers.is_empty()
    }

    /// The options.
    pub fn options(&self) -> &ChainOptions {
        &self.options
    }

    /// Starts the plugins and access loggers on this thread, in VMs of their own: see [`LocalVms`]. There are no upstreams for
    /// callouts.
    ///
    /// # Errors
    /// The first of them that can't be started.
    pub fn start(&self, platform: Rc<dyn Platform>) -> Result<LocalChain, Failure> {
        self.start_with(platform, Rc::new(()))
    }

    /// Likewise, with upstreams that the plugins can call out to.
    ///
    /// # Errors
    /// The first of them that can't be started.
    pub fn start_with(
        &self,
        platform: Rc<dyn Platform>,
        upstreams: Rc<dyn Upstreams>,
    ) -> Result<LocalChain, Failure> {
        LocalVms::new(platform, upstreams, self.options).start(self)
    }
}

impl LocalVms {
    /// Starts the plugins and access loggers of a chain, as far as they are not there already.
    ///
    /// # Errors
    /// The first of them that can't be started.
    pub fn start(&self, chain: &FilterChain) -> Result<LocalChain, Failure> {
        let start = |plugin: &Plugin| Ok(Filter::new(self.plugin(plugin)?));
        let start_all = |plugins: &[Plugin]| plugins.iter().map(start).collect::<Result<Box<[_]>, Failure>>();
        let filters = start_all(&chain.plugins)?;
        let loggers = start_all(&chain.loggers)?;
        let mut all = filters.iter().chain(&loggers);
        let asks_properties = all.clone().any(|filter| filter.asks_properties);
        let uses_properties = asks_properties || filters.iter().any(|filter| filter.sets_properties);
        let counts_bodies = all.any(|filter| filter.asks_properties && filter.log);
        // What they read is not known before the end.
        let logged = !loggers.is_empty();
        let chain = Rc::new(Inner {
            body_callbacks: [Dir::Request, Dir::Response]
                .map(|dir| filters.iter().any(|filter| filter.calls[dir as usize].body)),
            trailers_callbacks: [Dir::Request, Dir::Response]
                .map(|dir| logged || filters.iter().any(|filter| filter.calls[dir as usize].trailers)),
            asks_properties,
            uses_properties,
            counts_bodies,
            keeps_request: logged || filters.iter().any(|filter| filter.reads_later(Dir::Request)),
            keeps_response: logged || filters.iter().any(|filter| filter.reads_later(Dir::Response)),
            filters,
            loggers,
            options: chain.options,
            vms: self.clone(),
            known: Known::default(),
            spare: RefCell::new(Vec::new()),
            spare_streams: RefCell::new(Vec::new()),
        });
        Ok(LocalChain(chain))
    }
}

/// A chain with its VMs on this thread. Cheap to clone; the VMs go with the last clone and the last stream.
#[derive(Clone)]
pub struct LocalChain(pub(crate) Rc<Inner>);

impl LocalChain {
    /// A layer that puts the chain in front of a service.
    pub fn layer(&self) -> LocalLayer {
        LocalLayer::new(self.clone())
    }

    /// A service with the chain in front of it.
    pub fn service<S>(&self, inner: S) -> LocalService<S> {
        LocalService::new(self.clone(), inner)
    }

    /// Whether a plugin can ask for or set properties. Only then is there a use for a
    /// [`ConnectionInfo`](crate::ConnectionInfo) among the extensions of a request.
    pub fn uses_properties(&self) -> bool {
        self.0.uses_properties
    }

    /// The VMs that it uses.
    pub fn vms(&self) -> &LocalVms {
        &self.0.vms
    }

    /// Runs what the plugins do without a request: see [`LocalVms::background`]. [`Workers`](crate::Workers) do that
    /// themselves.
    pub fn background(&self) -> impl Future<Output = ()> + 'static {
        self.0.vms.background()
    }

    /// For each plugin and then each access logger that is there, why its VM failed, if it did.
    pub fn failures(&self) -> Vec<Option<Failure>> {
        self.of_each(Vm::failure)
    }

    /// For each plugin and then each access logger that is there, the number of contexts alive in its VM, root contexts among them.
    pub fn context_counts(&self) -> Vec<usize> {
        self.of_each(Vm::context_count)
    }

    /// For each plugin and then each access logger that is there, the number of callouts that its VM waits for.
    pub fn callout_counts(&self) -> Vec<usize> {
        self.of_each(Vm::callout_count)
    }

    /// Whether the plugins of another chain that do not run in this one can be started: see [`LocalVms::prove`].
    pub(crate) fn prove(&self, chain: &FilterChain) -> Result<(), Failure> {
        let runs = |plugin: &Plugin| {
            let same =
                |known: &Plugin| known.vm_key() == plugin.vm_key() && known.config() == plugin.config();
            let mut all = self.0.all();
            all.any(|filter| same(filter.plugin.plugin()))
        };
        let plugins = chain.plugins.iter().chain(&*chain.loggers);
        let mut new = plugins.filter(|plugin| plugin.program().is_some() && !runs(plugin));
        new.try_for_each(|plugin| self.0.vms.prove(plugin))
    }

    fn of_each<R>(&self, f: impl Fn(&Vm<Handle>) -> R) -> Vec<R> {
        let roots = self.0.all().filter_map(|filter| filter.plugin.root());
        roots.map(|root| f(root.vm())).collect()
    }
}

pub(crate) struct Inner {
    pub(crate) filters: Box<[Filter]>,
    /// The access loggers.
    pub(crate) loggers: Box<[Filter]>,
    pub(crate) options: ChainOptions,
    vms: LocalVms,
    /// By direction: whether any plugin looks at bodies, at trailers (access loggers do).
    pub(crate) body_callbacks: [bool; 2],
    pub(crate) trailers_callbacks: [bool; 2],
    /// Whether a plugin can ask for properties.
    pub(crate) asks_properties: bool,
    /// Whether a plugin can ask for or set properties.
    pub(crate) uses_properties: bool,
    /// Whether a plugin can ask at the end how much of a body there was.
    pub(crate) counts_bodies: bool,
    /// Whether a plugin may look at the head after it was sent on.
    pub(crate) keeps_request: bool,
    pub(crate) keeps_response: bool,
    /// What plugins add to heads.
    pub(crate) known: Known,
    /// Maps of streams that are over: their memory is used again.
    spare: RefCell<Vec<HeaderMap>>,
    /// The memory of streams that are over.
    spare_streams: RefCell<Vec<Rc<Stream>>>,
}

impl Inner {
    /// The plugins and then the access loggers.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Filter> {
        self.filters.iter().chain(&self.loggers)
    }

    pub(crate) fn platform(&self) -> &dyn Platform {
        &**self.vms.platform()
    }

    /// Tells the access loggers of a stream that is over.
    pub(crate) fn log(&self, stream: impl Fn() -> Handle) {
        for logger in self.loggers.iter().filter(|logger| logger.log) {
            let Some(root) = logger.plugin.for_stream() else {
                continue;
            };
            match root.vm().log(root.id, stream()) {
                Ok(()) => root.shared().prove(),
                Err(_) => root.shared().failed(),
            }
        }
    }

    /// Whether streams need no state, for nobody looks at them.
    pub(crate) fn is_empty(&self) -> bool {
        self.filters.is_empty() && self.loggers.is_empty()
    }

    const MAX_SPARE: usize = 64;
    /// Larger maps are not kept: one odd request must not hold memory for ever.
    const MAX_SPARE_SIZE: usize = 16 << 10;

    pub(crate) fn spare_map(&self) -> HeaderMap {
        self.spare.borrow_mut().pop().unwrap_or_default()
    }

    pub(crate) fn spare_stream(&self) -> Option<Rc<Stream>> {
        self.spare_streams.borrow_mut().pop()
    }

    /// Keeps the memory of a stream that is over. Nobody else may know of it.
    pub(crate) fn keep_stream(&self, stream: &Rc<Stream>) {
        // What it held may end other streams when it goes.
        stream.clear();
        let mut spare = self.spare_streams.borrow_mut();
        if spare.len() < Self::MAX_SPARE {
            spare.push(stream.clone());
        }
    }

    pub(crate) fn give_back(&self, map: Option<HeaderMap>) {
        let Some(mut map) = map else { return };
        let mut spare = self.spare.borrow_mut();
        if spare.len() < Self::MAX_SPARE && map.size() <= Self::MAX_SPARE_SIZE {
            map.clear();
            spare.push(map);
        }
    }
}

/// Which callbacks a plugin has in one direction.
#[derive(Clone, Copy)]
pub(crate) struct Calls {
    pub(crate) headers: bool,
    pub(crate) body: bool,
    pub(crate) trailers: bool,
}

/// A plugin of the chain.
pub(crate) struct Filter {
    pub(crate) plugin: LocalPlugin,
    pub(crate) calls: [Calls; 2],
    pub(crate) log: bool,
    /// Whether it can look at heads, as such or as properties.
    reads_headers: bool,
    asks_properties: bool,
    sets_properties: bool,
}

impl Filter {
    fn new(plugin: LocalPlugin) -> Self {
        let program = plugin.plugin().program();
        let has = |callback| program.is_some_and(|program| program.has_callback(callback));
        let can_call = |function| program.is_some_and(|program| program.can_call(function));
        // Foreign functions can look at properties too, and set them.
        let asks_properties =
            can_call(HostFunction::ProxyGetProperty) || can_call(HostFunction::ProxyCallForeignFunction);
        Filter {
            calls: [
                Calls {
                    headers: has(Callback::ProxyOnRequestHeaders),
                    body: has(Callback::ProxyOnRequestBody),
                    trailers: has(Callback::ProxyOnRequestTrailers),
                },
                Calls {
                    headers: has(Callback::ProxyOnResponseHeaders),
                    body: has(Callback::ProxyOnResponseBody),
                    trailers: has(Callback::ProxyOnResponseTrailers),
                },
            ],
            log: has(Callback::ProxyOnLog),
            reads_headers: asks_properties
                || [
                    HostFunction::ProxyGetHeaderMapValue,
                    HostFunction::ProxyGetHeaderMapPairs,
                    HostFunction::ProxyGetHeaderMapSize,
                ]
                .into_iter()
                .any(can_call),
            asks_properties,
            sets_properties: can_call(HostFunction::ProxySetProperty),
            plugin,
        }
    }

    /// Whether the plugin has a callback after the head of this direction was sent on, in which it may read it.
    fn reads_later(&self, dir: Dir) -> bool {
        if !self.reads_headers {
            return false;
        }
        let [request, response] = self.calls;
        let later = |calls: Calls| calls.body || calls.trailers;
        match dir {
            Dir::Request => self.log || later(request) || response.headers || later(response),
            Dir::Response => self.log || later(response),
        }
    }

    /// What the plugin's policy says of a stream that meets its failure: whether it goes on without the plugin.
    pub(crate) fn lets_go_on(&self, failed_before: bool) -> bool {
        match self.plugin.plugin().failure_policy() {
            FailurePolicy::FailClosed | FailurePolicy::FailReload(_) => false,
            FailurePolicy::FailOpen => failed_before,
            FailurePolicy::FailOpenAtOnce => true,
        }
    }
}
