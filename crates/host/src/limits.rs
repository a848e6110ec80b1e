//! How much a VM may make the host do.

/// Bounds on what the plugins of one VM can make the host keep. [`Platform::limits`](crate::Platform::limits) gives them.
///
/// What VMs share has [bounds of its own](crate::SharedLimits), and so have header maps ([`HeaderMap`](crate::HeaderMap)) and
/// what the engine keeps ([`Limits`](enginebay_engine::Limits)).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VmLimits {
    /// Callouts of one context that are under way. One more is `INTERNAL_FAILURE`. Default 4,096.
    pub callouts: usize,
}

impl Default for VmLimits {
    fn default() -> Self {
        VmLimits { callouts: 4096 }
    }
}
