//! What plugins do without a request: timers, queues that other VMs put items into, callouts.

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay::abi::LogLevel;
use enginebay::abi::property::PropertyPath;
use enginebay::host::{Callouts, Shared, VmLimits, Waker};
use enginebay::{ContextId, ForeignFunctions, LogRecord, Platform};
use tokio::sync::Notify;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout_at};

use crate::LocalChain;
use crate::chain::{Filter, Inner};

/// The timer of one plugin on this thread.
#[derive(Default)]
pub(crate) struct Timer {
    period: Cell<Option<Duration>>,
    due: Cell<Option<Instant>>,
}

impl Timer {
    pub(crate) fn set(&self, period: Option<Duration>) {
        self.period.set(period);
        self.arm();
    }

    /// The period starts now: as on Envoy, when the callback before is over.
    fn arm(&self) {
        let due = |period| Instant::now().checked_add(period);
        self.due.set(self.period.get().and_then(due));
    }
}

/// The embedder's platform, for one plugin: it hears of what the plugin wants done later.
pub(crate) struct ChainPlatform {
    pub(crate) inner: Rc<dyn Platform>,
    pub(crate) timer: Rc<Timer>,
    pub(crate) notify: Arc<Notify>,
    pub(crate) callouts: Rc<dyn Callouts>,
}

impl Platform for ChainPlatform {
    fn log_level(&self) -> LogLevel {
        self.inner.log_level()
    }

    fn log(&self, record: &LogRecord<'_>) {
        self.inner.log(record);
    }

    fn realtime_ns(&self) -> u64 {
        self.inner.realtime_ns()
    }

    fn monotonic_ns(&self) -> u64 {
        self.inner.monotonic_ns()
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        self.inner.random(buffer)
    }

    fn shared(&self) -> &Shared {
        self.inner.shared()
    }

    fn waker(&self) -> Option<Waker> {
        let notify = self.notify.clone();
        Some(Arc::new(move || notify.notify_one()))
    }

    fn callouts(&self) -> Option<Rc<dyn Callouts>> {
        Some(self.callouts.clone())
    }

    fn limits(&self) -> VmLimits {
        self.inner.limits()
    }

    fn tick_period_changed(&self, root: ContextId, period: Option<Duration>) {
        self.timer.set(period);
        self.notify.notify_one();
        self.inner.tick_period_changed(root, period);
    }

    fn foreign_functions(&self) -> ForeignFunctions {
        self.inner.foreign_functions()
    }

    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.inner.property(path, out)
    }
}

impl LocalChain {
    /// Runs what the plugins do without a request: timers, queues and callouts. Without it nothing comes of any of them.
    /// To be spawned on the chain's thread ([`tokio::task::spawn_local`]), on a runtime with time enabled; it ends when the
    /// chain is gone. [`Workers`](crate::Workers) do that themselves.
    pub fn background(&self) -> impl Future<Output = ()> + 'static {
        let notify = self.0.notify.clone();
        let chain = Rc::downgrade(&self.0);
        async move {
            loop {
                let Some(due) = chain.upgrade().map(|chain| chain.run_due()) else {
                    return;
                };
                match due {
                    // When the time has come, or something else has.
                    Some(due) => drop(timeout_at(due, notify.notified()).await),
                    None => notify.notified().await,
                }
                // A plugin that always has more to do must leave the thread to requests in between.
                tokio::task::yield_now().await;
            }
        }
    }
}

impl Inner {
    /// Does what is due, and says when the next timer is.
    fn run_due(&self) -> Option<Instant> {
        for filter in self.all() {
            filter.run_due();
            for task in filter.callouts.take_fresh() {
                spawn_local(task);
            }
        }
        self.all().filter_map(|filter| filter.timer.due.get()).min()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.notify.notify_one();
    }
}

impl Filter {
    fn run_due(&self) {
        let vm = &self.running.vm;
        if vm.failure().is_some() {
            self.timer.set(None);
            return;
        }
        let mut result = vm.deliver();
        if result.is_ok() && self.timer.due.get().is_some_and(|due| due <= Instant::now()) {
            result = vm.on_tick(self.running.root);
            self.timer.arm();
        }
        if result.is_err() {
            self.failed();
        }
    }
}
