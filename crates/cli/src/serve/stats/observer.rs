//! Hears of VMs, and counts.

use std::rc::Rc;
use std::sync::Arc;

use enginebay::host::Work;
use enginebay::{Failure, Plugin};
use enginebay_http::{Observer, Reload};

use super::{RuntimeStats, Stats};

/// For the VMs of one thread.
struct WorkerObserver(Arc<Stats>);

impl Stats {
    /// What the VMs of a thread are to be made with, to be counted.
    pub(in crate::serve) fn observer(self: &Arc<Self>) -> Rc<dyn Observer> {
        Rc::new(WorkerObserver(self.clone()))
    }
}

impl WorkerObserver {
    fn runtime(&self, plugin: &Plugin) -> Option<&RuntimeStats> {
        let name = self.0.registry.find(plugin.runtime())?.runtime.name;
        self.0.runtimes.iter().find(|runtime| runtime.name == name)
    }
}

impl Observer for WorkerObserver {
    fn vm_created(&self, plugin: &Plugin) {
        if let Some(runtime) = self.runtime(plugin) {
            runtime.created.raise();
            runtime.active.raise();
        }
    }

    fn vm_dropped(&self, plugin: &Plugin) {
        if let Some(runtime) = self.runtime(plugin) {
            runtime.active.lower();
        }
    }

    fn vm_failed(&self, plugin: &Plugin, _: &Failure) {
        self.0.plugin(plugin).crashes.raise();
    }

    fn reload(&self, plugin: &Plugin, reload: Reload) {
        self.0.plugin(plugin).reload(reload);
    }

    fn worked(&self, plugin: &Plugin, work: &Work) {
        self.0.plugin(plugin).worked(work);
    }

    fn memory(&self, plugin: &Plugin, before: u64, now: u64) {
        if before != now {
            self.0.plugin(plugin).memory(before, now);
        }
    }
}
