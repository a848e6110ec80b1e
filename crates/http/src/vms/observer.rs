//! What an embedder can hear of VMs.

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

    /// A VM failed after it was started, and `plugin` is in it.
    fn vm_failed(&self, plugin: &Plugin, failure: &Failure) {
        let _ = (plugin, failure);
    }

    /// A stream met a failed VM whose plugin is to be started anew (`FAIL_RELOAD`).
    fn reload(&self, plugin: &Plugin, reload: Reload) {
        let _ = (plugin, reload);
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
