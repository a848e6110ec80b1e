//! Where a panic in a C function can't be stopped.

use std::panic::PanicHookInfo;

/// Nowhere: the process ends when the hook returns.
#[derive(Default)]
pub(crate) struct Landing;

impl Landing {
    pub(crate) fn run<R>(&self, code: impl FnOnce() -> R) -> Option<R> {
        Some(code())
    }
}

#[derive(Default)]
pub(crate) struct Ending;

impl Ending {
    pub(crate) fn stop(&self, _: &Landing, _: &PanicHookInfo<'_>) {}

    #[cfg(feature = "dylib")]
    pub(crate) fn expect_abort(&self) {}

    pub(crate) fn is_aborting(&self) -> bool {
        false
    }

    #[cfg(all(unix, feature = "dylib"))]
    pub(crate) fn stop_aborting(&self, _: &Landing) {}
}
