//! Fuzz targets: functions that take any bytes and panic where a property of enginebay does not hold.
//!
//! `fuzz_targets/` has a program for each of them, for `cargo fuzz run` and `cargo xtask fuzz`; `tests/corpus.rs` replays
//! what was found and a fixed number of mutations of it on every run of the tests. `README.md` says more.
#![forbid(unsafe_code)]

pub mod config;
mod embedder;
mod engines;
pub mod foreign;
mod guest;
pub mod host_functions;
mod input;
pub mod modules;
pub mod mutate;
pub mod pairs;
mod script;

use std::panic::PanicHookInfo;
use std::process::ExitCode;

/// One target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is that of its program and of its folder in `corpus/`.
    pub name: &'static str,
    /// Panics where a property does not hold.
    pub run: fn(&[u8]),
}

/// Every target.
pub const TARGETS: &[Target] = &[
    Target {
        name: "pairs",
        run: pairs::run,
    },
    Target {
        name: "foreign",
        run: foreign::run,
    },
    Target {
        name: "config",
        run: config::run,
    },
    Target {
        name: "modules",
        run: modules::run,
    },
    Target {
        name: "host_functions",
        run: host_functions::run,
    },
];

/// The program of a target.
#[macro_export]
macro_rules! target {
    ($run:path) => {
        #[cfg(fuzzing)]
        ::libfuzzer_sys::fuzz_target!(init: { $crate::allow_caught_panics() }, |input: &[u8]| { $run(input) });

        #[cfg(not(fuzzing))]
        fn main() -> ::std::process::ExitCode {
            $crate::replay($run)
        }
    };
}

/// Runs a target on the files named in the arguments, for a program that was built without a fuzzer.
pub fn replay(run: fn(&[u8])) -> ExitCode {
    let mut result = ExitCode::SUCCESS;
    for file in std::env::args_os().skip(1) {
        match std::fs::read(&file) {
            Ok(input) => {
                println!("{}", file.display());
                run(&input);
            }
            Err(error) => {
                eprintln!("{}: {error}", file.display());
                result = ExitCode::FAILURE;
            }
        }
    }
    result
}

/// Lets panics of wasmi pass: its translator gives up with one, which is caught and becomes an error. The fuzzer's own hook
/// ends the process at any panic, caught or not, and stays in charge of all others.
pub fn allow_caught_panics() {
    let strict = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !is_expected(info) {
            strict(info);
        }
    }));
}

fn is_expected(info: &PanicHookInfo<'_>) -> bool {
    let file = info.location().map_or("", |location| location.file());
    file.contains("/wasmi-") || file.contains("/wasmi_")
}
