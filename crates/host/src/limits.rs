//! How much a VM may make the host do.

use crate::HeaderLimits;

/// Bounds on what the plugins of one VM can make the host keep. [`Platform::limits`](crate::Platform::limits) gives them.
///
/// What VMs share has [bounds of its own](crate::SharedLimits), and so has what the engine keeps
/// ([`Limits`](enginebay_engine::Limits)) and what a stream keeps, which is the embedder's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct VmLimits {
    /// Headers of a map that a plugin changes or sends; more is `BAD_ARGUMENT`.
    pub headers: HeaderLimits,
    /// Bytes up to which a plugin can make a buffer grow with `proxy_set_buffer_bytes`; beyond is `BAD_ARGUMENT`. A longer
    /// body can still be changed, and not made longer. Default 64 MiB.
    pub buffer: usize,
    /// Bytes of the body of a local response; a larger one is `BAD_ARGUMENT`. Default 64 MiB.
    pub local_response_body: usize,
    /// Bytes of the explanation of a local response; the rest is cut off. Default 4 KiB.
    pub local_response_details: usize,
    /// Bytes of path and value of a property that a plugin sets; more is `BAD_ARGUMENT`. Default 1 MiB.
    pub property: usize,
    /// Properties that one plugin may declare (Envoy's foreign function `declare_property`). One more is
    /// `INTERNAL_FAILURE`. Default 1,024.
    pub declared_properties: usize,
    /// Bytes of the path of a declared property; more is `INTERNAL_FAILURE`. Default 4 KiB.
    pub declared_path: usize,
    /// Callouts of one context that are under way. One more is `INTERNAL_FAILURE`. Default 4,096.
    pub callouts: usize,
    /// Bytes of what these callouts send: bodies, headers and trailers, the one message of a gRPC call. More is
    /// `INTERNAL_FAILURE`. Messages of gRPC streams are the embedder's to bound. Default 256 MiB.
    pub callout_bytes: usize,
    /// Contexts that are over and wait for the plugin's `proxy_done`. One more is deleted without waiting, and a warning is
    /// logged. Default 65,536.
    pub finishing: usize,
    /// Bytes of one logged message; how many are left out is said at its end. Default 1 MiB.
    pub log_message: usize,
    /// Messages that the VM's plugins may log in one second. Further ones are left out, and how many is logged. Default
    /// 100,000.
    pub log_rate: u32,
}

impl Default for VmLimits {
    fn default() -> Self {
        VmLimits {
            headers: HeaderLimits::DEFAULT,
            buffer: 64 << 20,
            local_response_body: 64 << 20,
            local_response_details: 4 << 10,
            property: 1 << 20,
            declared_properties: 1 << 10,
            declared_path: 4 << 10,
            callouts: 4096,
            callout_bytes: 256 << 20,
            finishing: 65_536,
            log_message: 1 << 20,
            log_rate: 100_000,
        }
    }
}
