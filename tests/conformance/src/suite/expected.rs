//! What is known not to work.

use glob::Pattern;

/// Cases that are expected to fail. One that passes is a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The case's name. `*` stands for any characters.
    pub case: &'static str,
    /// Why it fails.
    pub reason: &'static str,
}

impl Expected {
    /// Whether it is about the case with this name.
    pub fn is_of(&self, case: &str) -> bool {
        Pattern::new(self.case).is_ok_and(|pattern| pattern.matches(case))
    }
}

/// Those of enginebay's own runtimes, by the last part of the runtime's name.
pub const EXPECTED: &[(&str, Expected)] = &[
    (
        "wamr",
        Expected {
            case: "engine/loading/simd",
            reason: "the interpreter has no vector instructions",
        },
    ),
    (
        "wamr",
        Expected {
            case: "engine/traps/names_in_the_backtrace",
            reason: "the interpreter does not tell which functions a trap ended",
        },
    ),
    (
        "wasmer",
        Expected {
            case: "engine/baseline/loading/simd",
            reason: "the baseline compiler has no vector instructions",
        },
    ),
    (
        "wasmi",
        Expected {
            case: "engine/traps/names_in_the_backtrace",
            reason: "the interpreter does not tell which functions a trap ended",
        },
    ),
];
