//! A plugin on a thread.

use std::cell::RefCell;
use std::rc::Rc;

use enginebay::{Failure, FailurePolicy, Plugin};
use tokio::time::Instant;

use super::reload::Reloads;
use super::{LocalVms, Reload, Root};

/// A plugin on this thread, started.
pub(crate) struct LocalPlugin {
    plugin: Plugin,
    vms: LocalVms,
    /// Where new streams go; nowhere if the plugin is absent.
    root: Option<RefCell<Rc<Root>>>,
    /// For `FAIL_RELOAD`.
    reloads: Option<Reloads>,
}

impl LocalVms {
    /// Starts a plugin, in a VM that is there if it has one for it.
    pub(crate) fn plugin(&self, plugin: &Plugin) -> Result<LocalPlugin, Failure> {
        let root = match plugin.why_absent() {
            Some(_) => None,
            None => Some(RefCell::new(self.root(plugin)?)),
        };
        Ok(LocalPlugin {
            plugin: plugin.clone(),
            vms: self.clone(),
            root,
            reloads: match plugin.failure_policy() {
                FailurePolicy::FailReload(back_off) => Some(Reloads::new(back_off)),
                _ => None,
            },
        })
    }
}

impl LocalPlugin {
    pub(crate) fn plugin(&self) -> &Plugin {
        &self.plugin
    }

    /// Where a stream goes that begins now: after a failure, that may be a new VM, and where there is better code too. `None`
    /// if the plugin is absent.
    #[inline]
    pub(crate) fn for_stream(&self) -> Option<Rc<Root>> {
        let root = self.root.as_ref()?;
        if root.borrow().shared().is_outdated() {
            self.renew(root);
        }
        if let Some(reloads) = &self.reloads
            && root.borrow().vm().failure().is_some()
        {
            self.start_anew(root, reloads);
        }
        Some(root.borrow().clone())
    }

    /// Where the plugin is.
    pub(crate) fn root(&self) -> Option<Rc<Root>> {
        Some(self.root.as_ref()?.borrow().clone())
    }

    #[cold]
    fn renew(&self, root: &RefCell<Rc<Root>>) {
        match self.vms.root(&self.plugin) {
            Ok(new) => {
                let old = root.replace(new);
                drop(old);
            }
            // It runs, if not as fast as it could.
            Err(failure) => {
                root.borrow().shared().stay();
                tracing::warn!(
                    "plugin {} stays in its VM, as it can't be started in a new one with better code: {failure}",
                    self.plugin.name()
                );
            }
        }
    }

    #[cold]
    fn start_anew(&self, root: &RefCell<Rc<Root>>, reloads: &Reloads) {
        let observer = &self.vms.0.observer;
        let mut random = [0];
        self.vms.0.platform.random(&mut random);
        let now = Instant::now();
        let (proved, failed_at) = {
            let root = root.borrow();
            (
                root.shared().is_proved(),
                root.shared().failed_at().unwrap_or(now),
            )
        };
        if !reloads.is_due(now, failed_at, proved, random[0]) {
            observer.reload(&self.plugin, Reload::BackOff);
            return;
        }
        match self.vms.root(&self.plugin) {
            Ok(new) => {
                reloads.tried(now, true, random[0]);
                let old = root.replace(new);
                drop(old);
                observer.reload(&self.plugin, Reload::Success);
            }
            Err(_) => {
                reloads.tried(now, false, random[0]);
                observer.reload(&self.plugin, Reload::Failure);
            }
        }
    }
}
