//! Every case, on every runtime that is linked in.

use std::path::Path;
use std::process::ExitCode;

use enginebay_conformance::{Candidate, linked, page, process, trials};
use libtest_mimic::{Arguments, Failed, Trial};

/// The runtimes that the features ask for.
const WANTED: [(&str, bool); 5] = [
    ("null", cfg!(feature = "null")),
    ("wamr", cfg!(feature = "wamr")),
    ("wasmer", cfg!(feature = "wasmer")),
    ("wasmi", cfg!(feature = "wasmi")),
    ("wasmtime", cfg!(feature = "wasmtime")),
];

fn main() -> ExitCode {
    let candidates = match linked() {
        Ok(candidates) => candidates,
        Err(why) => {
            eprintln!("{why}");
            return ExitCode::FAILURE;
        }
    };
    if let Some(code) = process::be_worker(&candidates) {
        return code;
    }
    let mut trials = trials(candidates);
    trials.push(Trial::test("runtimes", runtimes));
    // The page is about all of them.
    let all = WANTED.iter().all(|(_, wanted)| *wanted);
    trials.push(Trial::test("page", the_page_is_current).with_ignored_flag(!all));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A runtime that is built in and not linked in would not be tested.
fn runtimes() -> Result<(), Failed> {
    let linked = linked()?;
    let missing = |name: &str| {
        !linked
            .iter()
            .any(|candidate: &Candidate| candidate.name() == name)
    };
    let missing = WANTED.iter().filter(|(name, wanted)| *wanted && missing(name));
    match missing.map(|(name, _)| *name).collect::<Vec<_>>()[..] {
        [] => Ok(()),
        ref missing => Err(format!("not tested, though built in: {}", missing.join(", ")).into()),
    }
}

fn the_page_is_current() -> Result<(), Failed> {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/conformance.md");
    let page = page::page(&linked()?, &page::mutations()?)?;
    if std::fs::read_to_string(file)? != page {
        return Err(format!("docs/conformance.md is not current: run `{}`", page::WRITE).into());
    }
    Ok(())
}
