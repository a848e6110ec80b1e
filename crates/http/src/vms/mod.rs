//! The VMs of a thread: which plugins share one, and when one is made and goes.

mod background;
mod linger;
mod observer;
mod platform;
mod plugin;
mod reload;
mod resident;
mod root;
mod shared;
mod timers;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;

use enginebay::{Failure, Platform, Plugin, Vm, VmKey};
use tokio::sync::Notify;

use crate::callouts::VmCallouts;
use crate::{ChainOptions, Upstreams};
use linger::Lingering;
use platform::VmPlatform;
use timers::Timers;

pub use observer::{Observer, Reload};
pub(crate) use plugin::LocalPlugin;
pub use resident::Resident;
pub(crate) use root::{At, Root};
pub(crate) use shared::SharedVm;

/// The VMs of a thread. Cheap to clone.
///
/// Plugins with the same `vm_id`, VM configuration and code share a VM, in whatever chains they are; those that have the
/// root id, name and configuration in common too share a root context in it. A VM goes, and its timers and queues with it, when
/// no plugin and no stream uses it any more. A plugin that returns false from `proxy_on_done` then stays, and its VM with it, until
/// it calls `proxy_done`, as long as these `LocalVms` do and within [`ChainOptions::linger`] and [`ChainOptions::lingering`].
#[derive(Clone)]
pub struct LocalVms(Rc<Inside>);

/// How much there is in the VMs of a thread. What streams hold of a failed VM that was replaced is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// VMs, failed ones that nobody replaced among them.
    pub vms: usize,
    /// Root contexts: plugins that were started, those that linger among them.
    pub roots: usize,
    /// Contexts of streams.
    pub streams: usize,
    /// Callouts that plugins wait for.
    pub callouts: usize,
    /// Bytes of bodies that plugins hold back.
    pub buffered: usize,
    /// Bytes of the plugins' memories.
    pub memory: u64,
}

impl std::ops::AddAssign for Usage {
    fn add_assign(&mut self, other: Usage) {
        self.vms += other.vms;
        self.roots += other.roots;
        self.streams += other.streams;
        self.callouts += other.callouts;
        self.buffered += other.buffered;
        self.memory += other.memory;
    }
}

struct Inside {
    platform: Rc<dyn Platform>,
    upstreams: Rc<dyn Upstreams>,
    options: ChainOptions,
    observer: Rc<dyn Observer>,
    /// Wakes the background.
    notify: Arc<Notify>,
    vms: RefCell<HashMap<VmKey, Weak<SharedVm>>>,
    /// Those whose place another has taken, though they have not failed. They are there for the streams that began in them.
    retired: RefCell<Vec<Weak<SharedVm>>>,
    lingering: Rc<Lingering>,
}

impl LocalVms {
    /// No VMs yet. `upstreams` is where callouts go, and of `options` it is what is about callouts and about plugins
    /// that linger that counts.
    pub fn new(platform: Rc<dyn Platform>, upstreams: Rc<dyn Upstreams>, options: ChainOptions) -> Self {
        Self::observed(platform, upstreams, options, Rc::new(()))
    }

    /// Likewise; `observer` hears of what becomes of VMs.
    pub fn observed(
        platform: Rc<dyn Platform>,
        upstreams: Rc<dyn Upstreams>,
        options: ChainOptions,
        observer: Rc<dyn Observer>,
    ) -> Self {
        let notify = Arc::<Notify>::default();
        LocalVms(Rc::new(Inside {
            platform,
            upstreams,
            options,
            observer,
            lingering: Rc::new(Lingering::new(&options, notify.clone())),
            notify,
            vms: RefCell::default(),
            retired: RefCell::default(),
        }))
    }

    pub(crate) fn platform(&self) -> &Rc<dyn Platform> {
        &self.0.platform
    }

    /// What is there now. The observer hears of what was done, and of the memory.
    pub fn usage(&self) -> Usage {
        let mut usage = Usage::default();
        for shared in self.0.alive() {
            shared.report();
            let roots = shared.root_count() + self.0.lingering.count(&shared);
            usage.vms += 1;
            usage.roots += roots;
            usage.streams += shared.vm.context_count().saturating_sub(roots);
            usage.callouts += shared.vm.callout_count();
            usage.buffered += shared.buffered();
            usage.memory += shared.vm.memory_size();
        }
        usage
    }

    /// Starts a plugin in a VM of its own, and drops that: whether the plugin can be started here (Envoy's canary).
    ///
    /// # Errors
    /// It can't.
    pub fn prove(&self, plugin: &Plugin) -> Result<(), Failure> {
        let shared = self.0.make(plugin)?;
        shared.vm.start_plugin(plugin.config().clone()).map(drop)
    }

    /// The plugin's root context, in a VM that is there or in a new one.
    fn root(&self, plugin: &Plugin) -> Result<Rc<Root>, Failure> {
        let program = plugin.require_program()?;
        let key = VmKey::of(program, plugin.vm_config());
        let there = self.0.vms.borrow().get(&key).and_then(Weak::upgrade);
        let there = there.filter(|shared| shared.vm.failure().is_none());
        if let Some(shared) = there.as_ref().filter(|shared| !shared.is_outdated()) {
            return shared.clone().root(plugin);
        }
        let shared = self.0.make(plugin)?;
        let root = shared.clone().root(plugin)?;
        let mut vms = self.0.vms.borrow_mut();
        vms.retain(|_, vm| vm.strong_count() > 0);
        vms.insert(key, Rc::downgrade(&shared));
        let mut retired = self.0.retired.borrow_mut();
        retired.retain(|vm| vm.strong_count() > 0);
        retired.extend(there.as_ref().map(Rc::downgrade));
        Ok(root)
    }

    /// Has VMs whose code has been compiled better since they were made replaced: what begins from now on begins in a new one,
    /// what began before ends in the old one. Plugins are started anew for that, so they lose what is in their memory. To be
    /// called from time to time where modules are compiled in the background
    /// ([`Compilation::baseline_first`](enginebay::Compilation::baseline_first)); it costs next to nothing.
    pub fn renew(&self) {
        for shared in self.0.alive() {
            shared.look_for_better();
        }
    }
}

impl Inside {
    fn make(&self, plugin: &Plugin) -> Result<Rc<SharedVm>, Failure> {
        let timers = Rc::new(Timers::default());
        let callouts = VmCallouts::new(self.upstreams.clone(), self.options, self.notify.clone());
        let platform = VmPlatform {
            inner: self.platform.clone(),
            timers: timers.clone(),
            notify: self.notify.clone(),
            callouts: callouts.sender(),
            lingering: Rc::downgrade(&self.lingering),
        };
        let program = plugin.require_program()?;
        // Before, so that one that gets better meanwhile is seen to have.
        let generation = program.generation();
        let vm = Vm::new(program, plugin.vm_config(), Rc::new(platform))?;
        let observer = self.observer.clone();
        Ok(SharedVm::new(
            vm,
            generation,
            plugin,
            timers,
            callouts,
            observer,
            &self.lingering,
        ))
    }

    fn alive(&self) -> impl Iterator<Item = Rc<SharedVm>> + use<> {
        let (vms, retired) = (self.vms.borrow(), self.retired.borrow());
        let all: Vec<_> = vms.values().chain(&*retired).filter_map(Weak::upgrade).collect();
        all.into_iter()
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.notify.notify_one();
    }
}
