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
//! ignored, and for a limit the suite checks instead that asking for it is refused.

#![forbid(unsafe_code)]

mod calls;
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
use libtest_mimic::{Arguments, Trial};

use crate::suite::Suite;

/// All cases, for a runtime of WebAssembly guests, with each of its compilers.
///
/// # Panics
/// When the runtime is one of native plugins: the guests are WebAssembly.
pub fn trials(runtime: &'static Runtime) -> Vec<Trial> {
    assert_eq!(
        runtime.capabilities.word_size, 4,
        "{} does not run WebAssembly",
        runtime.name
    );
    let mut trials = trials_of(runtime, Compiler::Default);
    if runtime.capabilities.baseline_compiler {
        trials.extend(trials_of(runtime, Compiler::Baseline));
    }
    trials
}

fn trials_of(runtime: &'static Runtime, compiler: Compiler) -> Vec<Trial> {
    let mut suite = Suite::new(runtime, compiler);
    calls::add(&mut suite);
    memory::add(&mut suite);
    reentry::add(&mut suite);
    traps::add(&mut suite);
    limits::add(&mut suite);
    lifecycle::add(&mut suite);
    loading::add(&mut suite);
    precompiled::add(&mut suite);
    stress::add(&mut suite);
    suite.into_trials()
}

/// Runs all cases as the program's arguments say, and ends the program.
pub fn main(runtime: &'static Runtime) -> ! {
    let arguments = Arguments::from_args();
    libtest_mimic::run(&arguments, trials(runtime)).exit()
}
