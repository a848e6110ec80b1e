//! The conformance suite on every runtime that is linked in: `cargo xtask conformance`.
#![forbid(unsafe_code)]

use std::io::Write as _;
use std::process::ExitCode;

use enginebay_conformance::{Candidate, page};

fn main() -> ExitCode {
    let candidates = match enginebay_conformance::linked() {
        Ok(candidates) => candidates,
        Err(why) => return fail(&why),
    };
    // Not for people: `cargo xtask conformance --write` asks for it.
    match std::env::args_os().nth(1) {
        Some(argument) if argument == "page" => write_page(&candidates),
        _ => enginebay_conformance::main(candidates),
    }
}

/// Prints `docs/conformance.md`.
fn write_page(candidates: &[Candidate]) -> ExitCode {
    let page = page::mutations().and_then(|mutations| page::page(candidates, &mutations));
    let printed = page.and_then(|page| {
        let printed = std::io::stdout().write_all(page.as_bytes());
        printed.map_err(|error| error.to_string())
    });
    match printed {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> ExitCode {
    eprintln!("error: {why}");
    ExitCode::FAILURE
}
