//! The embedder's platform, as one VM sees it.

use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use enginebay::abi::LogLevel;
use enginebay::abi::property::PropertyPath;
use enginebay::host::{Callouts, Shared, VmLimits, Waker};
use enginebay::{ContextId, ForeignFunctions, LogRecord, Platform};
use tokio::sync::Notify;

use super::linger::Lingering;
use super::timers::Timers;

/// The embedder's platform, for one VM: it hears of what the plugins want done later.
pub(super) struct VmPlatform {
    pub(super) inner: Rc<dyn Platform>,
    pub(super) timers: Rc<Timers>,
    pub(super) notify: Arc<Notify>,
    pub(super) callouts: Rc<dyn Callouts>,
    pub(super) lingering: Weak<Lingering>,
}

impl Platform for VmPlatform {
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
        self.timers.set(root, period);
        self.notify.notify_one();
        self.inner.tick_period_changed(root, period);
    }

    fn context_done(&self, context: ContextId) {
        if let Some(lingering) = self.lingering.upgrade() {
            lingering.look();
        }
        self.inner.context_done(context);
    }

    fn foreign_functions(&self) -> ForeignFunctions {
        self.inner.foreign_functions()
    }

    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        self.inner.property(path, out)
    }
}
