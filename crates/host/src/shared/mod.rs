//! What VMs share: data, queues and metrics, over all threads of a process.
//!
//! Data and queues belong to a `vm_id`: they go when the last VM with that id does, as on Envoy. Metrics belong to the
//! [`Shared`] they are defined in.

mod data;
mod histogram;
mod inbox;
mod limits;
mod metrics;
mod queues;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError, Weak};

pub(crate) use data::{Data, SetError};
pub(crate) use inbox::Inbox;
pub use inbox::Waker;
pub use limits::SharedLimits;
pub(crate) use metrics::VmMetrics;
pub use metrics::{Metric, MetricValue, Metrics};
use queues::Queues;
pub(crate) use queues::{DequeueError, EnqueueError, Full};

/// What a set of VMs shares. Cheap to clone; VMs that are given the same one, through
/// [`Platform::shared`](crate::Platform::shared), meet in it.
#[derive(Clone)]
pub struct Shared(Arc<Inner>);

struct Inner {
    limits: SharedLimits,
    vms: Mutex<HashMap<String, Weak<VmShared>>>,
    queues: Queues,
    metrics: Metrics,
}

impl Shared {
    /// Something to share, empty, with these limits.
    pub fn new(limits: SharedLimits) -> Self {
        Shared(Arc::new(Inner {
            vms: Mutex::default(),
            queues: Queues::new(limits),
            metrics: Metrics::new(limits),
            limits,
        }))
    }

    /// The one of the process, with the default limits.
    pub fn of_process() -> &'static Shared {
        static PROCESS: LazyLock<Shared> = LazyLock::new(|| Shared::new(SharedLimits::default()));
        &PROCESS
    }

    /// The metrics that plugins have defined.
    pub fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    /// How many queues there are now.
    pub fn queue_count(&self) -> usize {
        self.0.queues.count()
    }

    /// What the VMs with this id have. It stays for as long as one of them holds it.
    pub(crate) fn vm(&self, vm_id: &str) -> Arc<VmShared> {
        let mut vms = lock(&self.0.vms);
        if let Some(vm) = vms.get(vm_id).and_then(Weak::upgrade) {
            return vm;
        }
        let vm = Arc::new(VmShared {
            shared: self.clone(),
            vm_id: vm_id.to_owned(),
            data: Data::new(&self.0.limits),
        });
        vms.insert(vm_id.to_owned(), Arc::downgrade(&vm));
        vm
    }
}

/// What the VMs with one `vm_id` share.
pub(crate) struct VmShared {
    shared: Shared,
    vm_id: String,
    pub(crate) data: Data,
}

impl VmShared {
    /// Opens the queue of this name, or makes it. From now on `inbox` hears of its items, for this context.
    pub(crate) fn register_queue(&self, name: &[u8], inbox: &Arc<Inbox>, context: u32) -> Result<u32, Full> {
        self.shared.0.queues.register(&self.vm_id, name, inbox, context)
    }

    pub(crate) fn queues(&self) -> &Queues {
        &self.shared.0.queues
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.shared.0.metrics
    }
}

impl Drop for VmShared {
    fn drop(&mut self) {
        let mut vms = lock(&self.shared.0.vms);
        // Another VM with this id may have come in the meantime: then the name, and the queues, are its.
        if vms.get(&self.vm_id).is_some_and(|vm| vm.strong_count() == 0) {
            vms.remove(&self.vm_id);
            self.shared.0.queues.remove_all(&self.vm_id);
        }
    }
}

/// Nothing that is done under these locks can panic half-way, so what a panicking thread leaves behind is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_and_queues_go_with_the_last_vm_of_their_id() {
        let shared = Shared::new(SharedLimits::default());
        let inbox = Arc::new(Inbox::new(None));
        let (one, two) = (shared.vm("a"), shared.vm("a"));
        let other = shared.vm("b");
        one.data.set(b"k", b"v", 0).unwrap();
        let queue = one.register_queue(b"q", &inbox, 1).unwrap();
        drop(one);
        assert_eq!(*two.data.get(b"k").unwrap().0, *b"v");
        assert!(other.data.get(b"k").is_none());
        assert_eq!(shared.0.queues.resolve("a", b"q"), Some(queue));
        drop(two);
        assert!(shared.vm("a").data.get(b"k").is_none());
        assert_eq!(shared.0.queues.resolve("a", b"q"), None);
        assert_eq!(shared.queue_count(), 0);
    }
}
