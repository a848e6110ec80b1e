//! Every case, on every runtime that is linked in.

use std::process::ExitCode;

fn main() -> ExitCode {
    match enginebay_conformance::linked() {
        Ok(candidates) => enginebay_conformance::test_main(candidates),
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}
