//! What plugins do without a request: timers, queues that other VMs put items into, callouts.

use std::future::Future;
use std::rc::Rc;

use tokio::task::spawn_local;
use tokio::time::{Instant, timeout_at};

use super::{Inside, LocalVms};

impl LocalVms {
    /// Runs what the plugins do without a request: timers, queues and callouts, and the end of plugins
    /// that linger. Without it nothing comes of any of them.
    /// To be spawned once, on the thread of the VMs ([`tokio::task::spawn_local`]), on a runtime with time enabled; it ends when
    /// they are gone, and the chains that use them.
    pub fn background(&self) -> impl Future<Output = ()> + 'static {
        let notify = self.0.notify.clone();
        let vms = Rc::downgrade(&self.0);
        async move {
            loop {
                let Some(due) = vms.upgrade().map(|vms| vms.run_due()) else {
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

impl Inside {
    /// Does what is due, and says when the next timer is.
    fn run_due(&self) -> Option<Instant> {
        for shared in self.alive() {
            shared.run_due();
            for task in shared.callouts.take_fresh() {
                spawn_local(task);
            }
        }
        let over = self.lingering.sweep();
        self.alive()
            .filter_map(|shared| shared.timers.next())
            .chain(over)
            .min()
    }
}
