//! What is below the ABI: the cases that each engine has to pass, whatever host is above it.

use enginebay::engine::Runtime;

use super::Check;

pub(super) fn checks<'h>(runtime: Runtime) -> impl Iterator<Item = Check<'h>> {
    let native = !runtime.capabilities.sandbox;
    enginebay_boundary_tests::cases(runtime)
        .into_iter()
        .map(move |case| {
            let lacks = match native {
                true => Some("the guests are WebAssembly"),
                // What it can't do it fails: see the list of what is expected.
                false => case.lacks(),
            };
            Check::new(format!("engine/{}", case.name()), move || case.run()).lacking(lacks)
        })
}
