//! The test suite that every WebAssembly engine of enginebay has to pass.
//!
//! The guests are WebAssembly text, and each case asserts an exact outcome, so that all engines behave the same
//! towards the host and towards the guest. A backend crate runs the suite from `tests/boundary.rs`:
//!
//! ```no_run
//! # use enginebay_engine::{Capabilities, Error, ErrorKind, Runtime};
//! # mod my_backend {
//! #     use super::*;
//! #     pub const RUNTIME: Runtime = Runtime { name: "", aliases: &[], engine: "",
//! #         capabilities: Capabilities::WASM, factory: |_, _| Err(Error::new(ErrorKind::Setup, "")) };
//! # }
//! fn main() {
//!     enginebay_boundary_tests::main(&my_backend::RUNTIME)
//! }
//! ```
//!
//! with this in its `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! enginebay-boundary-tests.workspace = true
//!
//! [[test]]
//! name = "boundary"
//! harness = false
//! ```
//!
//! The runtime's capabilities decide what is asked of it: a case that needs one that is missing is listed as
//! ignored, and for a limit the suite checks instead that asking for it is refused. [`cases`] is the same list for
//! whoever wants to run it in another way, as the conformance suite does.

#![forbid(unsafe_code)]

mod calls;
mod endless;
mod fixture;
mod lifecycle;
mod limits;
mod loading;
mod memory;
mod precompiled;
mod reentry;
mod stress;
mod suite;
mod traps;

use enginebay_engine::{Compiler, Runtime};
use libtest_mimic::{Arguments, Failed, Trial};

pub use suite::Case;

use crate::suite::Suite;

/// All cases, for a runtime, with each of its compilers. A runtime of native plugins need not be asked any: the guests
/// are WebAssembly.
pub fn cases(runtime: Runtime) -> Vec<Case> {
    let mut cases = cases_of(runtime, Compiler::Default);
    if runtime.capabilities.baseline_compiler {
        cases.extend(cases_of(runtime, Compiler::Baseline));
    }
    cases
}

fn cases_of(runtime: Runtime, compiler: Compiler) -> Vec<Case> {
    let mut suite = Suite::new(runtime, compiler);
    calls::add(&mut suite);
    memory::add(&mut suite);
    reentry::add(&mut suite);
    traps::add(&mut suite);
    limits::add(&mut suite);
    endless::add(&mut suite);
    lifecycle::add(&mut suite);
    loading::add(&mut suite);
    precompiled::add(&mut suite);
    stress::add(&mut suite);
    suite.into_cases()
}

fn trial(case: Case) -> Trial {
    let ignored = case.lacks().or(case.cannot());
    let trial = Trial::test(case.name().to_owned(), move || case.run().map_err(Failed::from));
    match ignored {
        Some(why) => trial.with_kind(why).with_ignored_flag(true),
        None => trial,
    }
}

/// Runs all cases as the program's arguments say, and ends the program.
pub fn main(runtime: &Runtime) -> ! {
    let trials = cases(*runtime).into_iter().map(trial).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit()
}
