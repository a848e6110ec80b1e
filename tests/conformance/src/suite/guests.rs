//! Plugins as SDKs build them, and the same sources compiled natively.

use enginebay::engine::Runtime;

use super::Check;

pub(super) fn checks<'h>(runtime: Runtime) -> impl Iterator<Item = Check<'h>> {
    enginebay_smoke_tests::checks(runtime).into_iter().map(|check| {
        let lacks = check.lacks();
        Check::new(format!("guests/{}", check.name()), move || check.run()).lacking(lacks)
    })
}
