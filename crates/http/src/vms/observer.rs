//! What an embedder can hear of VMs.

use enginebay::host::Work;
use enginebay::{Failure, Plugin};

/// Hears of what becomes of the VMs of a thread. All methods do nothing unless they are implemented, and must not call into
/// VMs.
pub trait Observer {
    /// A VM was made; `plugin` is the first one in it.
    fn vm_created(&self, plugin: &Plugin) {
        let _ = plugin;
    }

    /// That VM is gone.
    fn vm_dropped(&self, plugin: &Plugin) {
        let _ = plugin;
    }

    /// A VM failed after it was made, in a callback of `plugin`.
    fn vm_failed(&self, plugin: &Plugin, failure: &Failure) {
        let _ = (plugin, failure);
    }

    /// A stream met a failed VM whose plugin is to be started anew (`FAIL_RELOAD`).
    fn reload(&self, plugin: &Plugin, reload: Reload) {
        let _ = (plugin, reload);
    }

    /// What a plugin did in a VM since this was last told: when [`LocalVms::usage`](crate::LocalVms::usage) is asked for, and
    /// when the plugin or the VM goes.
    fn worked(&self, plugin: &Plugin, work: &Work) {
        let _ = (plugin, work);
    }

    /// The memory of a VM that the plugin is in was told to be `before` bytes, at first 0, and is `now` bytes: at the same times,
    /// and 0 when the plugin is in it no more.
    fn memory(&self, plugin: &Plugin, before: u64, now: u64) {
        let _ = (plugin, before, now);
    }
}

impl Observer for () {}

/// What became of an attempt to start a plugin anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// It is too early (`vm_reload_backoff`).
    BackOff,
    /// The plugin is in a new VM (`vm_reload_success`).
    Success,
    /// No VM could be made, or the plugin did not start (`vm_reload_failure`).
    Failure,
}
