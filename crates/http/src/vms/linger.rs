//! Root contexts that are over, of plugins that have something left to do.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use enginebay::ContextId;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::SharedVm;
use crate::ChainOptions;

/// The root contexts of a thread that nobody needs any more and that wait for their `proxy_done`: `proxy_on_done` returned
/// false. Their VMs stay for them, with timers and callouts.
pub(super) struct Lingering {
    /// How many there may be.
    most: usize,
    /// How long each may stay.
    longest: Duration,
    /// Wakes the background.
    notify: Arc<Notify>,
    waiting: RefCell<VecDeque<Waiting>>,
}

struct Waiting {
    shared: Rc<SharedVm>,
    root: ContextId,
    /// `None` for a time that never comes.
    until: Option<Instant>,
}

impl Lingering {
    pub(super) fn new(options: &ChainOptions, notify: Arc<Notify>) -> Self {
        Lingering {
            most: options.lingering,
            longest: options.linger,
            notify,
            waiting: RefCell::default(),
        }
    }

    /// Has a root context stay until its `proxy_done`. If there are too many, the one that has stayed longest goes.
    pub(super) fn keep(&self, shared: Rc<SharedVm>, root: ContextId) {
        let until = Instant::now().checked_add(self.longest);
        let mut waiting = self.waiting.borrow_mut();
        waiting.push_back(Waiting { shared, root, until });
        let oldest = match waiting.len() > self.most {
            true => waiting.pop_front(),
            false => None,
        };
        drop(waiting);
        if let Some(oldest) = oldest {
            let most = self.most;
            oldest.end(&format!(
                "{most} plugins of the thread wait for proxy_done already"
            ));
        }
        self.notify.notify_one();
    }

    /// One of them may be over.
    pub(super) fn look(&self) {
        if !self.waiting.borrow().is_empty() {
            self.notify.notify_one();
        }
    }

    /// Lets go of those that are over, and says when the next one has stayed long enough.
    pub(super) fn sweep(&self) -> Option<Instant> {
        if self.waiting.borrow().is_empty() {
            return None;
        }
        let now = Instant::now();
        // What ends may call out or fail, so none of this happens while the list is borrowed.
        let (mut over, mut late) = (Vec::new(), Vec::new());
        self.waiting.borrow_mut().retain_mut(|waiting| {
            let list = match (waiting.is_over(), waiting.until.is_some_and(|until| until <= now)) {
                (true, _) => &mut over,
                (false, true) => &mut late,
                (false, false) => return true,
            };
            list.push((waiting.shared.clone(), waiting.root));
            false
        });
        for (shared, root) in over {
            shared.gone(root);
        }
        for (shared, root) in late {
            let longest = self.longest;
            let waiting = Waiting {
                shared,
                root,
                until: None,
            };
            waiting.end(&format!("it has not called proxy_done for {longest:?}"));
        }
        self.waiting
            .borrow()
            .iter()
            .filter_map(|waiting| waiting.until)
            .min()
    }

    /// How many of them are in this VM.
    pub(super) fn count(&self, shared: &Rc<SharedVm>) -> usize {
        let waiting = self.waiting.borrow();
        waiting
            .iter()
            .filter(|waiting| Rc::ptr_eq(&waiting.shared, shared))
            .count()
    }
}

impl Waiting {
    fn is_over(&self) -> bool {
        !self.shared.vm.is_waiting(self.root)
    }

    fn end(self, why: &str) {
        if self.shared.vm.end_waiting(self.root, why).is_err() {
            self.shared.failed();
        }
        self.shared.gone(self.root);
    }
}
