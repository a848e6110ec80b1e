//! What is below the functions of the ABI, or spans several VMs: cases that drive enginebay itself, on one runtime.

mod allocator;
mod bay;
mod guest;
mod lifecycle;
mod limits;
mod loading;
mod memory;
mod sharing;

use enginebay::engine::Runtime;

use crate::suite::Check;
use bay::{Bay, Verdict};

/// A case: its name, and what it does.
type Case = (&'static str, fn(&mut Bay) -> Verdict);

/// Cases of one area.
type Area = (&'static str, &'static [&'static [Case]]);

const AREAS: &[Area] = &[
    ("lifecycle", &[loading::CASES, lifecycle::CASES]),
    ("sharing", &[sharing::CASES]),
    ("limits", &[limits::CASES]),
    ("allocator", &[allocator::CASES]),
    ("memory", &[memory::CASES]),
];

/// All of them.
pub(crate) fn checks<'h>(runtime: Runtime) -> impl Iterator<Item = Check<'h>> {
    let lacks = (!runtime.capabilities.sandbox).then_some("the guests are WebAssembly");
    let cases = AREAS
        .iter()
        .flat_map(|(area, lists)| lists.concat().into_iter().map(move |case| (*area, case)));
    cases.map(move |(area, (name, run))| {
        Check::new(format!("{area}/{name}"), move || {
            let verdict = Bay::new(runtime).and_then(|mut bay| run(&mut bay));
            verdict.map_err(|wrong| wrong.to_string())
        })
        .lacking(lacks)
    })
}
