//! One VM, and who is in it.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};

use enginebay::{ContextId, Failure, Plugin, PluginConfig, Vm};
use tokio::time::Instant;

use super::linger::Lingering;
use super::timers::Timers;
use super::{Observer, Root};
use crate::callouts::VmCallouts;
use crate::handle::{Handle, Wake};

/// A VM with the plugins in it.
pub(crate) struct SharedVm {
    pub(crate) vm: Vm<Handle>,
    /// The root contexts that are there. One is made for each different configuration.
    roots: RefCell<HashMap<PluginConfig, Weak<Root>>>,
    pub(super) timers: Rc<Timers>,
    pub(super) callouts: VmCallouts,
    /// Streams that wait for a plugin, by context, to be told when the VM fails.
    waiting: RefCell<HashMap<u32, Waiting>>,
    /// Of the code that it runs, or that it has been left with.
    generation: Cell<u32>,
    /// Whether there is better code.
    outdated: Cell<bool>,
    /// The plugin that it was made for.
    first: Plugin,
    /// The plugin that is being started.
    starting: RefCell<Option<Plugin>>,
    members: RefCell<Vec<Member>>,
    observer: Rc<dyn Observer>,
    /// When the observer heard of the failure.
    failed_at: Cell<Option<Instant>>,
    lingering: Weak<Lingering>,
    /// Whether a stream went well: see [`Reloads`](super::reload::Reloads).
    proved: Cell<bool>,
}

/// A plugin that was started in a VM.
struct Member {
    root: ContextId,
    plugin: Plugin,
    /// How large the VM's memory was, as the observer knows it.
    memory: u64,
}

/// A stream, and the plugin's place in its chain.
type Waiting = (Weak<dyn Wake>, usize);

impl SharedVm {
    pub(super) fn new(
        vm: Vm<Handle>,
        generation: u32,
        first: &Plugin,
        timers: Rc<Timers>,
        callouts: VmCallouts,
        observer: Rc<dyn Observer>,
        lingering: &Rc<Lingering>,
    ) -> Rc<Self> {
        observer.vm_created(first);
        let shared = Rc::new(SharedVm {
            vm,
            roots: RefCell::default(),
            timers,
            callouts,
            waiting: RefCell::default(),
            generation: Cell::new(generation),
            outdated: Cell::new(false),
            first: first.clone(),
            starting: RefCell::default(),
            members: RefCell::default(),
            observer,
            failed_at: Cell::new(None),
            lingering: Rc::downgrade(lingering),
            proved: Cell::new(false),
        });
        shared.callouts.attach(&shared);
        shared
    }

    /// The root context of a plugin, started if it is not there yet.
    pub(super) fn root(self: Rc<Self>, plugin: &Plugin) -> Result<Rc<Root>, Failure> {
        let there = self.roots.borrow().get(plugin.config()).and_then(Weak::upgrade);
        if let Some(root) = there {
            return Ok(root);
        }
        self.starting.replace(Some(plugin.clone()));
        let started = self.vm.start_plugin(plugin.config().clone());
        let id = started.inspect_err(|_| self.failed())?;
        self.starting.take();
        self.members.borrow_mut().push(Member {
            root: id,
            plugin: plugin.clone(),
            memory: 0,
        });
        let root = Rc::new(Root::new(self.clone(), id));
        let mut roots = self.roots.borrow_mut();
        roots.retain(|_, root| root.strong_count() > 0);
        roots.insert(plugin.config().clone(), Rc::downgrade(&root));
        drop(roots);
        Ok(root)
    }

    pub(super) fn root_count(&self) -> usize {
        self.roots
            .borrow()
            .values()
            .filter(|root| root.strong_count() > 0)
            .count()
    }

    pub(crate) fn wait(&self, context: ContextId, stream: Weak<dyn Wake>, index: usize) {
        self.waiting.borrow_mut().insert(context.get(), (stream, index));
    }

    pub(crate) fn no_longer_waits(&self, context: ContextId) {
        let mut waiting = self.waiting.borrow_mut();
        // Mostly nobody does: then there is no need for a hash.
        if !waiting.is_empty() {
            waiting.remove(&context.get());
        }
    }

    /// Bytes that streams hold back for plugins of this VM.
    pub(super) fn buffered(&self) -> usize {
        let waiting = self.waiting.borrow();
        let streams = waiting
            .values()
            .filter_map(|(stream, index)| Some((stream.upgrade()?, index)));
        streams.map(|(stream, index)| stream.buffered(*index)).sum()
    }

    /// A stream went through a plugin of it.
    #[inline]
    pub(crate) fn prove(&self) {
        self.proved.set(true);
    }

    pub(super) fn is_proved(&self) -> bool {
        self.proved.get()
    }

    /// Whether new streams should go to another VM, which has better code.
    #[inline]
    pub(crate) fn is_outdated(&self) -> bool {
        self.outdated.get()
    }

    /// Finds out whether there is better code by now.
    pub(super) fn look_for_better(&self) {
        if self.vm.program().generation() != self.generation.get() {
            self.outdated.set(true);
        }
    }

    /// Goes on with the code that it has.
    pub(super) fn stay(&self) {
        self.generation.set(self.vm.program().generation());
        self.outdated.set(false);
    }

    /// The VM failed: no more ticks, and whoever waits for it learns of it.
    #[cold]
    pub(crate) fn failed(&self) {
        self.timers.clear();
        if let (None, Some(failure)) = (self.failed_at.get(), self.vm.failure()) {
            self.failed_at.set(Some(Instant::now()));
            let culprit = self.vm.last_root();
            self.observer.vm_failed(&self.plugin_of(culprit), &failure);
        }
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        for stream in waiting.into_values().filter_map(|(stream, _)| stream.upgrade()) {
            stream.wake();
        }
        if let Some(lingering) = self.lingering.upgrade() {
            lingering.look();
        }
    }

    /// Has a root context that is over wait for its `proxy_done`. Says whether it does: when all VMs of the thread go, none
    /// does.
    pub(super) fn linger(self: &Rc<Self>, root: ContextId) -> bool {
        let lingering = self.lingering.upgrade();
        lingering
            .map(|lingering| lingering.keep(self.clone(), root))
            .is_some()
    }

    /// When the VM failed, if it did and somebody was told.
    pub(super) fn failed_at(&self) -> Option<Instant> {
        self.failed_at.get()
    }

    /// The plugin with a root context.
    fn plugin_of(&self, root: Option<ContextId>) -> Plugin {
        let members = self.members.borrow();
        let member = members.iter().find(|member| Some(member.root) == root);
        match (member, &*self.starting.borrow()) {
            (Some(member), _) => member.plugin.clone(),
            (None, Some(starting)) => starting.clone(),
            (None, None) => self.first.clone(),
        }
    }

    /// Tells the observer what the plugins did since it was last told, and how large they are.
    pub(super) fn report(&self) {
        for (root, work) in self.vm.take_work() {
            self.observer.worked(&self.plugin_of(root), &work);
        }
        let now = self.vm.memory_size();
        for member in self.members.borrow_mut().iter_mut() {
            let before = std::mem::replace(&mut member.memory, now);
            self.observer.memory(&member.plugin, before, now);
        }
    }

    /// A root context is gone.
    pub(super) fn gone(&self, root: ContextId) {
        self.timers.set(root, None);
        self.report();
        self.members.borrow_mut().retain(|member| {
            let stays = member.root != root;
            if !stays {
                self.observer.memory(&member.plugin, member.memory, 0);
            }
            stays
        });
    }

    /// Does what is due.
    pub(super) fn run_due(&self) {
        if self.vm.failure().is_some() {
            self.timers.clear();
            return;
        }
        let mut result = self.vm.deliver();
        for root in self.timers.due() {
            if result.is_ok() {
                result = self.vm.on_tick(root);
                self.timers.arm(root);
            }
        }
        if result.is_err() {
            self.failed();
        }
    }
}

impl Drop for SharedVm {
    fn drop(&mut self) {
        // Of one that was never used there is work too.
        self.report();
        self.observer.vm_dropped(&self.first);
    }
}
