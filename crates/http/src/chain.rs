//! Chains of plugins, and their VMs on one thread.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use enginebay::abi::Callback;
use enginebay::{Failure, FailurePolicy, HeaderMap, Platform, Plugin, Running};

use tokio::sync::Notify;

use crate::background::{ChainPlatform, Timer};
use crate::callouts::{PluginCallouts, Spawner};
use crate::state::{Dir, Handle, Stream};
use crate::{ChainOptions, LocalLayer, LocalService, Upstreams};

/// An ordered list of plugins with their options. Cheap to clone, shared by all threads.
#[derive(Clone)]
pub struct FilterChain {
    plugins: Arc<[Plugin]>,
    options: ChainOptions,
}

impl FilterChain {
    /// A chain of these plugins, in the order in which requests pass them. Without any, everything passes
    /// untouched.
    pub fn new(plugins: impl IntoIterator<Item = Plugin>) -> Self {
        FilterChain {
            plugins: plugins.into_iter().collect(),
            options: ChainOptions::default(),
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

    /// The options.
    pub fn options(&self) -> &ChainOptions {
        &self.options
    }

    /// Makes a VM for each plugin on this thread and starts the plugins in them. There are no upstreams for callouts.
    ///
    /// # Errors
    /// The first plugin that can't be started.
    pub fn start(&self, platform: Rc<dyn Platform>) -> Result<LocalChain, Failure> {
        self.start_with(platform, Rc::new(()))
    }

    /// Likewise, with upstreams that the plugins can call out to.
    ///
    /// # Errors
    /// The first plugin that can't be started.
    pub fn start_with(
        &self,
        platform: Rc<dyn Platform>,
        upstreams: Rc<dyn Upstreams>,
    ) -> Result<LocalChain, Failure> {
        let notify = Arc::new(Notify::new());
        let spawner = Spawner::new(notify.clone());
        // The one place that decides which plugins share a VM: none do.
        let filters = self
            .plugins
            .iter()
            .map(|plugin| {
                let timer = Rc::new(Timer::default());
                let callouts = PluginCallouts::new(upstreams.clone(), self.options, spawner.clone());
                let platform = ChainPlatform {
                    inner: platform.clone(),
                    timer: timer.clone(),
                    notify: notify.clone(),
                    callouts: callouts.sender(),
                };
                let running = plugin.start(Rc::new(platform))?;
                Ok(Filter::new(plugin, running, timer, callouts))
            })
            .collect::<Result<Box<[_]>, Failure>>()?;
        let chain = Rc::new(Inner {
            body_callbacks: [Dir::Request, Dir::Response]
                .map(|dir| filters.iter().any(|filter| filter.calls[dir as usize].body)),
            trailers_callbacks: [Dir::Request, Dir::Response]
                .map(|dir| filters.iter().any(|filter| filter.calls[dir as usize].trailers)),
            keeps_request: filters.iter().any(|filter| filter.reads_later(Dir::Request)),
            keeps_response: filters.iter().any(|filter| filter.reads_later(Dir::Response)),
            filters,
            options: self.options,
            platform,
            notify,
            spawner,
            spare: RefCell::new(Vec::new()),
        });
        for (index, filter) in chain.filters.iter().enumerate() {
            filter.callouts.attach(&chain, index);
        }
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

    /// For each plugin, why its VM failed, if it did.
    pub fn failures(&self) -> Vec<Option<Failure>> {
        self.0
            .filters
            .iter()
            .map(|filter| filter.running.vm.failure())
            .collect()
    }

    /// For each plugin, the number of contexts alive in its VM, root contexts among them.
    pub fn context_counts(&self) -> Vec<usize> {
        self.0
            .filters
            .iter()
            .map(|filter| filter.running.vm.context_count())
            .collect()
    }

    /// For each plugin, the number of callouts that it waits for.
    pub fn callout_counts(&self) -> Vec<usize> {
        self.0
            .filters
            .iter()
            .map(|filter| filter.running.vm.callout_count())
            .collect()
    }

    /// Bytes of bodies that plugins hold back.
    pub fn buffered_bytes(&self) -> usize {
        let of_plugin = |(index, filter): (usize, &Filter)| -> usize {
            let waiting = filter.waiting.borrow();
            let streams = waiting.values().filter_map(Weak::upgrade);
            streams.map(|stream| stream.buffered(index)).sum()
        };
        self.0.filters.iter().enumerate().map(of_plugin).sum()
    }
}

pub(crate) struct Inner {
    pub(crate) filters: Box<[Filter]>,
    pub(crate) options: ChainOptions,
    pub(crate) platform: Rc<dyn Platform>,
    /// Wakes the chain's background.
    pub(crate) notify: Arc<Notify>,
    /// What the background is to run.
    pub(crate) spawner: Spawner,
    /// By direction: whether any plugin looks at bodies, at trailers.
    pub(crate) body_callbacks: [bool; 2],
    pub(crate) trailers_callbacks: [bool; 2],
    /// Whether a plugin may look at the head after it was sent on.
    pub(crate) keeps_request: bool,
    pub(crate) keeps_response: bool,
    /// Maps of streams that are over: their memory is used again.
    spare: RefCell<Vec<HeaderMap>>,
}

impl Inner {
    const MAX_SPARE: usize = 64;
    /// Larger maps are not kept: one odd request must not hold memory for ever.
    const MAX_SPARE_SIZE: usize = 16 << 10;

    pub(crate) fn spare_map(&self) -> HeaderMap {
        self.spare.borrow_mut().pop().unwrap_or_default()
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

/// A plugin on this thread.
pub(crate) struct Filter {
    pub(crate) running: Running<Handle>,
    pub(crate) policy: FailurePolicy,
    pub(crate) calls: [Calls; 2],
    pub(crate) log: bool,
    pub(crate) timer: Rc<Timer>,
    callouts: PluginCallouts,
    /// Streams that wait for this plugin, to be told when its VM fails.
    waiting: RefCell<HashMap<u32, Weak<Stream>>>,
}

impl Filter {
    fn new(plugin: &Plugin, running: Running<Handle>, timer: Rc<Timer>, callouts: PluginCallouts) -> Self {
        let has = |callback| plugin.program().has_callback(callback);
        Filter {
            running,
            policy: plugin.failure_policy(),
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
            timer,
            callouts,
            waiting: RefCell::default(),
        }
    }

    /// Whether the plugin has a callback after the head of this direction was sent on, in which it may read it.
    fn reads_later(&self, dir: Dir) -> bool {
        let [request, response] = self.calls;
        let later = |calls: Calls| calls.body || calls.trailers;
        match dir {
            Dir::Request => self.log || later(request) || response.headers || later(response),
            Dir::Response => self.log || later(response),
        }
    }

    pub(crate) fn wait(&self, context: u32, stream: Weak<Stream>) {
        self.waiting.borrow_mut().insert(context, stream);
    }

    pub(crate) fn no_longer_waits(&self, context: u32) {
        self.waiting.borrow_mut().remove(&context);
    }

    /// Its VM failed outside of a stream: no more ticks, and whoever waits for it learns of it.
    #[cold]
    pub(crate) fn failed(&self) {
        self.timer.set(None);
        self.wake_all();
    }

    /// Wakes all streams that wait for the plugin: its VM failed.
    #[cold]
    pub(crate) fn wake_all(&self) {
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for stream in waiting.into_values().filter_map(|stream| stream.upgrade()) {
            stream.wake();
        }
    }
}
