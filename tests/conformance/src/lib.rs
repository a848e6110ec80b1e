//! Conformance cases for the Proxy-Wasm ABI: what a host must answer, produced by real guests.
//!
//! A [`Case`] is data: what a plugin calls in which callback, with what, what it must get back, and what the embedder must
//! see. Cases that can share a guest are a [`Group`], and all groups run on every runtime of wasm that is linked in. Those of
//! the latest ABI are also run through a guest that is compiled from Rust, on native runtimes too. Names are stable:
//! `abi/0.2.1/proxy_get_buffer_bytes/not_found`, `compiled/0.2.1/proxy_get_buffer_bytes/not_found`.
//!
//! Where the specification and Envoy disagree, a case is for what plugins on Envoy need, and says so
//! ([`Case::differs`]). [`check_table`] compares the cases with the tables of `enginebay-abi`, from which `docs/abi.md` is
//! written, and with the specification's own lists of statuses.

#![deny(unsafe_code)]

mod below;
mod candidate;
mod case;
mod cases;
mod cli;
mod compare;
mod engine;
mod group;
mod guest;
pub mod host;
#[cfg(feature = "null")]
#[allow(unsafe_code, reason = "vouches for a table of C functions")]
mod native;
pub mod page;
pub mod process;
pub mod report;
mod script;
mod spec;
pub mod suite;

use std::process::ExitCode;

use enginebay::abi::{AbiVersion, VersionSet};
use libtest_mimic::{Arguments, Failed, Trial};

pub use candidate::{Candidate, linked};
pub use case::{Allocator, Area, Arg, Case, END, Effect, FILLER, Given, NUMBER, OTHER, OUT, Step};
pub use cli::main;
pub use engine::EngineHost;
pub use group::Group;
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

/// Runs the tests of these hosts as `cargo test` and `cargo nextest` want them: one for each host, and one for the tables.
/// To be all of the `main` of a test without a harness.
pub fn test_main(candidates: Vec<Candidate>) -> ExitCode {
    if let Some(code) = process::be_worker(&candidates) {
        return code;
    }
    libtest_mimic::run(&Arguments::from_args(), trials(candidates)).exit_code()
}

/// The tests that [`test_main`] runs, for a test that has others too. Its `main` must begin with [`process::be_worker`].
pub fn trials(candidates: Vec<Candidate>) -> Vec<Trial> {
    let trial = |candidate: Candidate| {
        Trial::test(candidate.name().to_owned(), move || {
            let report = process::run(&candidate, &process::Options::default(), |_, _| {});
            match report.failures() {
                failures if failures.is_empty() => Ok(()),
                failures => Err(Failed::from(failures.join("\n"))),
            }
        })
    };
    let mut trials: Vec<Trial> = candidates.into_iter().map(trial).collect();
    trials.push(Trial::test("table", || {
        check_table(&groups()).map_err(|wrong| Failed::from(wrong.join("\n")))
    }));
    trials
}
