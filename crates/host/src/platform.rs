//! What the embedder supplies for each VM.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use enginebay_abi::LogLevel;
use enginebay_abi::property::PropertyPath;

use crate::{Callouts, ContextId, ForeignFunctions, Shared, VmLimits, Waker};

/// The host's surroundings: where its log goes, what time it is, where randomness comes from.
///
/// One VM uses it from one thread; the embedder decides what VMs share.
///
/// A method must not call into the VM, not even [`Platform::log`]: while a callback runs, such a call fails the
/// VM. Looking at a VM ([`Vm::stream`](crate::Vm::stream) and the like) is free to `log`.
pub trait Platform {
    /// The least important level that is still logged. Asked on every message, so keep it cheap.
    fn log_level(&self) -> LogLevel;

    /// Takes a message that is at least as important as [`Platform::log_level`].
    fn log(&self, record: &LogRecord<'_>);

    /// Nanoseconds since the Unix epoch.
    fn realtime_ns(&self) -> u64;

    /// Nanoseconds since some fixed moment; never goes back.
    fn monotonic_ns(&self) -> u64;

    /// Fills `buffer` with random bytes fit for cryptography. Says whether it could.
    fn random(&self, buffer: &mut [u8]) -> bool;

    /// What the VM shares with others: shared data and queues by `vm_id`, and metrics. Asked once, when the VM is made.
    fn shared(&self) -> &Shared {
        Shared::of_process()
    }

    /// Wakes the thread of the VM when another VM has something for it: it should call
    /// [`Vm::deliver`](crate::Vm::deliver) soon. Asked once, when the VM is made. Without one, the embedder must call that
    /// by itself now and then for plugins to hear of their queues.
    fn waker(&self) -> Option<Waker> {
        None
    }

    /// Sends the VM's callouts. Asked once, when the VM is made. Without one there are no upstreams.
    fn callouts(&self) -> Option<Rc<dyn Callouts>> {
        None
    }

    /// How much the VM may make the host keep. Asked once, when the VM is made.
    fn limits(&self) -> VmLimits {
        VmLimits::default()
    }

    /// A plugin has set how often its root context is to tick (`proxy_set_tick_period_milliseconds`); `None` for no
    /// more. The embedder calls [`Vm::on_tick`](crate::Vm::on_tick) that often; the first time when the period has passed.
    fn tick_period_changed(&self, root: ContextId, period: Option<Duration>) {
        let _ = (root, period);
    }

    /// A context that waited for the plugin's `proxy_done` is gone, as the plugin has called it.
    fn context_done(&self, context: ContextId) {
        let _ = context;
    }

    /// The functions that plugins can call by name (`proxy_call_foreign_function`); a call of any other name is
    /// `NOT_FOUND`. Asked once, when the VM is made.
    fn foreign_functions(&self) -> ForeignFunctions {
        ForeignFunctions::default()
    }

    /// Writes the value of a property of the host itself, such as `node.id`, to `out`, which is empty, or says
    /// that there is none. Asked last, and without `xds` in front: `xds.node` is `node`.
    fn property(&self, path: PropertyPath<'_>, out: &mut Vec<u8>) -> bool {
        let _ = (path, out);
        false
    }
}

/// One message, from a plugin or about it. Its `Display` is Envoy's form, `wasm log my_root my_vm: message`.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LogRecord<'a> {
    /// How important it is.
    pub level: LogLevel,
    /// `PluginConfig.name`, in messages of a stream; empty in those of a root context, as on Envoy.
    pub plugin: &'a str,
    /// `PluginConfig.root_id`.
    pub root_id: &'a str,
    /// `VmConfig.vm_id`.
    pub vm_id: &'a str,
    /// The message.
    pub message: &'a str,
}

impl fmt::Display for LogRecord<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("wasm log")?;
        for part in [self.plugin, self.root_id, self.vm_id] {
            if !part.is_empty() {
                write!(f, " {part}")?;
            }
        }
        write!(f, ": {}", self.message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_reads_as_in_envoy_and_leaves_out_what_is_empty() {
        let record = LogRecord {
            level: LogLevel::Info,
            plugin: "p",
            root_id: "",
            vm_id: "v",
            message: "hello",
        };
        assert_eq!(record.to_string(), "wasm log p v: hello");
    }
}
