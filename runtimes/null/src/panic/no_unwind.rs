//! Where a panic in a C function can't be stopped.

use std::panic::PanicHookInfo;

/// Nothing: the process ends when the hook returns.
#[derive(Default)]
pub(crate) struct Recovery;

impl Recovery {
    pub(crate) fn run<R>(&self, code: impl FnOnce() -> R) -> Option<R> {
        Some(code())
    }

    pub(super) fn stop(&self, _: &PanicHookInfo<'_>) {}

    #[cfg(feature = "dylib")]
    pub(crate) fn expect_abort(&self) {}

    pub(crate) fn is_aborting(&self) -> bool {
        false
    }

    #[cfg(all(unix, feature = "dylib"))]
    pub(crate) fn stop_aborting(&self) {}
}
