//! How much VMs may share.

/// Bounds on what plugins can make a [`Shared`](super::Shared) grow to. A host function that would exceed one returns
/// `INTERNAL_FAILURE` and logs which; the specification has no status for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SharedLimits {
    /// Keys in the shared data of one `vm_id`. Default 65,536.
    pub data_entries: usize,
    /// Bytes of keys and values in the shared data of one `vm_id`. Default 64 MiB.
    pub data_bytes: usize,
    /// Queues of one `vm_id`. Default 1,024.
    pub queues: usize,
    /// Items waiting in one queue. Default 65,536.
    pub queue_items: usize,
    /// Bytes of the items waiting in one queue. Default 64 MiB.
    pub queue_bytes: usize,
    /// Different metrics. Default 16,384. A histogram takes 14 KiB at most, the others a few bytes.
    pub metrics: usize,
    /// Metrics that one VM may define, counting each time it defines one. Default 16,384.
    pub metrics_per_vm: usize,
    /// Bytes of a name: of a queue, or of a metric. Default 4 KiB.
    pub name_bytes: usize,
}

impl Default for SharedLimits {
    fn default() -> Self {
        SharedLimits {
            data_entries: 1 << 16,
            data_bytes: 64 << 20,
            queues: 1 << 10,
            queue_items: 1 << 16,
            queue_bytes: 64 << 20,
            metrics: 1 << 14,
            metrics_per_vm: 1 << 14,
            name_bytes: 4 << 10,
        }
    }
}
