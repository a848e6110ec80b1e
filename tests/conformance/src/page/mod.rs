//! `docs/conformance.md`, from the lists of cases and from the cases themselves.

mod differences;
mod exports;
mod mutations;
mod sections;
mod totals;

use crate::candidate::Candidate;

pub use mutations::{Mutation, mutations};

/// What people are told to do when the page is not what it would be.
pub const WRITE: &str = "cargo xtask conformance --write";

/// The page about these runtimes. Hosts are made to ask which cases there are for them; none is run.
///
/// # Errors
/// A host can't be made, or is expected to fail in a case that it doesn't have.
pub fn page(candidates: &[Candidate], mutations: &[Mutation]) -> Result<String, String> {
    let report = totals::presumed(candidates)?;
    let mut page = HEAD.to_owned();
    totals::matrix(&mut page, &report);
    totals::reasons(&mut page, &report);
    page.push_str(sections::HEAD);
    exports::write(&mut page, &report);
    sections::write(&mut page, &crate::groups());
    differences::write(&mut page, &crate::groups());
    mutations::write(&mut page, mutations);
    Ok(page)
}

const HEAD: &str = "\
# Conformance

<!-- Written by `cargo xtask conformance --write`. Not to be changed by hand: a test compares. -->

Does a host do what a Proxy-Wasm plugin may rely on, and does the engine under it make no difference? The suite in
`tests/conformance` asks with real guests: each case says what a plugin calls in which callback and with what, what it must
get back, and what must have come of it. Cases about the engine itself, about whole plugins and about what VMs share are
there too. Every host runs in processes of its own, so a crash is one failed case; every case has a time limit.

```sh
cargo xtask conformance                                # every runtime, as a table
cargo xtask conformance --runtime wasmi --filter 'abi/*/proxy_log/*'
cargo xtask conformance --format html --out conformance.html
cargo xtask conformance --list                         # the names of the cases; they stay what they are
```

`--format json` and `--format junit` are for programs. It exits with 1 if a case failed, or passed though it was expected to
fail, and with 2 if there was nothing to run.

**Another engine.** A crate with a `Runtime` of its own tests it with one dependency, `enginebay-conformance`, and a test
without a harness: see [tests/conformance.rs](../examples/custom-engine/tests/conformance.rs) of the example.

**Another host.** It implements the trait `Host` of `enginebay-conformance`: load a module, run one exchange, say what came of
it. Its cases are those of `abi`, `start` and `wasi`. The documentation of the trait has an example.

";

#[cfg(test)]
mod tests {
    use enginebay::abi::{Callback, HostFunction};

    use super::*;

    #[test]
    fn everything_is_on_the_page() {
        let page = page(&[], &[]).unwrap();
        for function in HostFunction::ALL {
            assert!(page.contains(&format!("| `{function}` |")), "{function}");
        }
        for callback in Callback::ALL {
            assert!(page.contains(&format!("| `{callback}` |")), "{callback}");
        }
    }
}
