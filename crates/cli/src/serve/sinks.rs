//! Stats sinks: plugins that are told of the server's numbers (`envoy.stat_sinks.wasm`).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use enginebay::config::model::StatsFlush;
use enginebay_http::Resident;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::stats::{Latch, Selection, Stats};

/// The stats sinks of the process, on its main thread.
pub(super) struct Sinks {
    stats: Arc<Stats>,
    residents: RefCell<Vec<Resident>>,
    when: Cell<StatsFlush>,
    changed: Notify,
    latch: RefCell<Latch>,
}

impl Sinks {
    pub(super) fn new(stats: &Arc<Stats>) -> Self {
        Sinks {
            stats: stats.clone(),
            residents: RefCell::default(),
            when: Cell::default(),
            changed: Notify::new(),
            latch: RefCell::default(),
        }
    }

    /// These are the sinks from now on. Those before are over, and are told of nothing more.
    pub(super) fn set(&self, residents: Vec<Resident>, when: StatsFlush) {
        let old = self.residents.replace(residents);
        drop(old);
        if self.when.replace(when) != when {
            self.changed.notify_one();
        }
    }

    /// Starts those anew that failed, as far as their policies say so.
    pub(super) fn revive(&self) {
        for resident in &*self.residents.borrow() {
            resident.revive();
        }
    }

    /// Tells them of the numbers when it is time to. Never ends.
    pub(super) async fn run(self: Rc<Self>) {
        loop {
            let due = async {
                match self.when.get() {
                    // As on Envoy, from the end of one flush to the next.
                    StatsFlush::Every(interval) => sleep(interval).await,
                    _ => self.stats.asked().await,
                }
            };
            tokio::select! {
                () = due => self.flush(),
                () = self.changed.notified() => {}
            }
        }
    }

    /// The server ends: as on Envoy, sinks are told of the last numbers then if they are told at intervals.
    pub(super) fn end(&self) {
        if matches!(self.when.get(), StatsFlush::Every(_)) {
            self.flush();
        }
    }

    fn flush(&self) {
        let residents = self.residents.borrow();
        if residents.is_empty() {
            return;
        }
        let samples = self.stats.samples(&Selection::default());
        let update = self.latch.borrow_mut().update(&samples);
        let Some(update) = update else {
            tracing::error!("stats sinks are not told of more than 4 GiB of numbers");
            return;
        };
        for resident in &*residents {
            resident.on_stats_update(&update);
        }
    }
}
