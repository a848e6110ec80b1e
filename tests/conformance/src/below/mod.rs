//! What is below the functions of the ABI, or spans several VMs: cases that drive enginebay itself, on one runtime.

mod allocator;
mod bay;
mod contexts;
mod failure;
mod guest;
mod limits;
mod loading;
mod memory;
#[cfg(feature = "null")]
mod native;
mod sharing;
mod starting;

use enginebay::engine::Runtime;

use crate::suite::Check;
use bay::{Bay, Verdict};

/// A case: its name, and what it does.
type Case = (&'static str, fn(&mut Bay) -> Verdict);

/// Cases of one area.
type Area = (&'static str, &'static [&'static [Case]]);

const AREAS: &[Area] = &[
    (
        "lifecycle",
        &[loading::CASES, starting::CASES, contexts::CASES, failure::CASES],
    ),
    ("sharing", &[sharing::CASES]),
    ("limits", &[limits::CASES]),
    ("allocator", &[allocator::CASES]),
    ("memory", &[memory::CASES]),
];

/// All of them. Of a runtime of native plugins only those are asked that need no WebAssembly.
pub(crate) fn checks<'h>(runtime: Runtime) -> impl Iterator<Item = Check<'h>> {
    let native = !runtime.capabilities.sandbox;
    let cases = AREAS
        .iter()
        .flat_map(|(area, lists)| lists.concat().into_iter().map(move |case| (*area, case)));
    cases.map(move |(area, (name, run))| {
        let name = format!("{area}/{name}");
        let (run, lacks) = match (native, natively(&name)) {
            (false, _) => (run, None),
            (true, Some(run)) => (run, None),
            (true, None) => (run, Some("the guest is WebAssembly")),
        };
        Check::new(name, move || {
            let verdict = Bay::new(runtime).and_then(|mut bay| run(&mut bay));
            verdict.map_err(|wrong| wrong.to_string())
        })
        .lacking(lacks)
    })
}

/// How native plugins are asked the same.
fn natively(name: &str) -> Option<fn(&mut Bay) -> Verdict> {
    #[cfg(feature = "null")]
    let cases = native::CASES;
    #[cfg(not(feature = "null"))]
    let cases: &[&[Case]] = &[];
    let mut cases = cases.iter().copied().flatten();
    cases.find(|case| case.0 == name).map(|case| case.1)
}

#[cfg(all(test, feature = "null"))]
mod tests {
    use super::*;

    #[test]
    fn native_cases_are_cases_of_an_area() {
        let names: Vec<String> = AREAS
            .iter()
            .flat_map(|(area, lists)| {
                lists
                    .concat()
                    .into_iter()
                    .map(move |case| format!("{area}/{}", case.0))
            })
            .collect();
        for (name, _) in native::CASES.iter().copied().flatten() {
            assert!(names.iter().any(|of| of == name), "{name}");
        }
    }
}
