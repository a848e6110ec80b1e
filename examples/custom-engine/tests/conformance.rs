//! Plugins find the same on this engine as on any other.

use enginebay_conformance::suite::Expected;
use enginebay_conformance::{Candidate, test_main};
use enginebay_custom_engine::RUNTIME;

fn main() -> std::process::ExitCode {
    test_main(vec![Candidate::runtime(RUNTIME).expecting(&[Expected {
        case: "engine/traps/names_in_the_backtrace",
        reason: "wasmi does not tell which functions a trap ended",
    }])])
}
