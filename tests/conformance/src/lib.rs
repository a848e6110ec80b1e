//! Conformance cases for the Proxy-Wasm ABI: what a host must answer, produced by real guests.
//!
//! A [`Case`] is data: what a plugin calls in which callback, with what, what it must get back, and what the embedder must
//! see. Cases that can share a guest are a [`Group`], and all groups run on every runtime of wasm that is linked in. Names
//! are stable: `abi/0.2.1/proxy_get_buffer_bytes/not_found`.
//!
//! Where the specification and Envoy disagree, a case is for what plugins on Envoy need, and says so
//! ([`Case::differs`]). [`check_table`] compares the cases with the tables of `enginebay-abi`, from which `docs/abi.md` is
//! written, and with the specification's own lists of statuses.

#![forbid(unsafe_code)]

mod case;
mod cases;
mod embedder;
mod guest;
mod run;
mod spec;
mod upstreams;

use enginebay::EngineOptions;
use enginebay::abi::{AbiVersion, VersionSet};
use enginebay::engine::Runtime;
use libtest_mimic::{Failed, Trial};

pub use case::{Allocator, Area, Arg, Case, END, Effect, FILLER, Given, NUMBER, OTHER, OUT, Step};
pub use run::Failed as FailedCase;
pub use run::Group;
pub use spec::check_table;

use guest::Flavor;

/// Every case, in groups that share guests.
pub fn groups() -> Vec<Group> {
    let cases = cases::all();
    let mut groups = Vec::new();
    for &version in AbiVersion::ALL {
        let flavor = |wasi| Flavor { version, wasi };
        groups.push(Group::new(Area::Abi, flavor("wasi_snapshot_preview1"), &cases));
        // Starting is the same in all versions but for what only the first one has.
        if VersionSet::V0_2_1.contains(version) || VersionSet::V0_1.contains(version) {
            groups.push(Group::new(Area::Start, flavor("wasi_snapshot_preview1"), &cases));
        }
    }
    for wasi in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let flavor = Flavor {
            version: AbiVersion::LATEST,
            wasi,
        };
        groups.push(Group::new(Area::Wasi, flavor, &cases));
    }
    groups
}

/// The runtimes of wasm that the features ask for, by the last parts of their names.
const WANTED: [(&str, bool); 4] = [
    ("wamr", cfg!(feature = "wamr")),
    ("wasmer", cfg!(feature = "wasmer")),
    ("wasmi", cfg!(feature = "wasmi")),
    ("wasmtime", cfg!(feature = "wasmtime")),
];

/// One test for each group on each runtime, one for the tables, and one that says whether a runtime is missing.
///
/// # Panics
/// When two linked crates claim one name.
pub fn trials() -> Vec<Trial> {
    let registry = enginebay::registry().expect("each runtime has a name of its own");
    let runtimes: Vec<Runtime> = registry
        .iter()
        .filter(|runtime| runtime.capabilities.word_size == 4)
        .copied()
        .collect();
    let names: Vec<String> = groups().iter().map(Group::name).collect();
    let trial = |(runtime, index): (Runtime, usize)| {
        Trial::test(format!("{}::{}", short(&runtime), names[index]), move || {
            run(&runtime, index)
        })
    };
    let all = runtimes
        .iter()
        .flat_map(|runtime| (0..names.len()).map(|index| (*runtime, index)));
    let mut trials: Vec<Trial> = all.map(trial).collect();
    trials.push(Trial::test("table", || {
        check_table(&groups()).map_err(|wrong| Failed::from(wrong.join("\n")))
    }));
    trials.push(Trial::test("runtimes", move || {
        let missing = WANTED
            .iter()
            .filter(|(name, wanted)| *wanted && runtimes.iter().all(|runtime| short(runtime) != *name));
        match missing.map(|(name, _)| *name).collect::<Vec<_>>()[..] {
            [] => Ok(()),
            ref missing => Err(format!("not tested, though built in: {}", missing.join(", ")).into()),
        }
    }));
    trials
}

fn short(runtime: &Runtime) -> &'static str {
    runtime.name.rsplit('.').next().unwrap_or(runtime.name)
}

fn run(runtime: &Runtime, index: usize) -> Result<(), Failed> {
    let mut options = EngineOptions::default();
    options.max_instances = 4;
    let engine = runtime.create(&options)?;
    let groups = groups();
    groups[index].run(&*engine).map_err(|failed| {
        let lines: Vec<String> = failed
            .iter()
            .map(|failed| format!("{}: {}", failed.case, failed.why))
            .collect();
        Failed::from(format!(
            "{} of {} cases failed\n{}",
            lines.len(),
            groups[index].cases().len(),
            lines.join("\n")
        ))
    })
}
