//! `cargo xtask abi`: `docs/abi.md`, from the tables of `enginebay-abi`.

use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};
use enginebay_abi::{
    AbiVersion, AnsweredBy, Callback, FunctionDef, HostFunction, Namespace, Phase, Results, VersionSet,
};

use crate::workspace;

/// Where the page is in the checkout.
const PAGE: &str = "docs/abi.md";

/// Write `docs/abi.md`: every function and callback of the ABI, who answers it, and what it can return.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write nothing, and fail if the page is not what would be written.
    #[arg(long)]
    check: bool,
}

/// Writes or checks the page.
///
/// # Errors
///
/// The page can't be read or written, or is another one.
pub fn run(args: &Args) -> Result<()> {
    let path = workspace::root().join(PAGE);
    let page = page();
    if !args.check {
        return std::fs::write(&path, page).with_context(|| format!("{PAGE} can't be written"));
    }
    let found = std::fs::read_to_string(&path).with_context(|| format!("{PAGE} can't be read"))?;
    if found != page {
        bail!("{PAGE} is not current: run `cargo xtask abi`");
    }
    Ok(())
}

/// The page.
pub fn page() -> String {
    let mut page = HEAD.to_owned();
    let env = |def: &&FunctionDef| def.namespace == Namespace::Env && def.capability().is_some();
    table(&mut page, "Host functions", "returns", env);
    page.push_str(WASI);
    let wasi = |def: &&FunctionDef| def.namespace == Namespace::Wasi;
    table(&mut page, "WASI functions", "errno", wasi);
    page.push_str(EMSCRIPTEN);
    let rest = |def: &&FunctionDef| def.namespace == Namespace::Env && def.capability().is_none();
    table(&mut page, "Emscripten's functions", "returns", rest);
    callbacks(&mut page);
    page
}

const HEAD: &str = "\
# The ABI, function by function

<!-- Written by `cargo xtask abi` from crates/abi. Not to be changed by hand: a test compares. -->

What a plugin can import and export, who answers a call, and with what. The conformance suite (`tests/conformance`) fails
when a host function returns a status that is not here for its version, and when one that is here is never returned.

`start`: the function may be called while the module starts (`_initialize` and `main`, or `_start`); a call of any other
one is a trap then. Who answers: `host`, the host alone; `platform`, `stream` and `callouts`, what the embedder supplies,
which in `enginebay serve` is the server; `shared`, what VMs have in common; `nobody`, where the host does nothing and says
so. A function that is denied to the plugin (`capability_restriction_config`) logs that, and returns INTERNAL_FAILURE, or
NOTCAPABLE in WASI.

";

const WASI: &str = "
All of WASI preview 1 is there under `wasi_snapshot_preview1` and `wasi_unstable`, for every version of the ABI. There are no
files, directories and sockets; standard output and standard error are the log.

";

const EMSCRIPTEN: &str = "\n";

fn table(page: &mut String, title: &str, returns: &str, wanted: impl Fn(&&FunctionDef) -> bool) {
    let versions: Vec<_> = AbiVersion::ALL.iter().map(|version| version.as_str()).collect();
    writeln!(page, "## {title}").ok();
    writeln!(
        page,
        "| function | {} | start | answered by | {returns} |",
        versions.join(" | ")
    )
    .ok();
    writeln!(
        page,
        "| --- |{} --- | --- | --- |",
        " :-: |".repeat(versions.len())
    )
    .ok();
    for def in HostFunction::TABLE.iter().filter(wanted) {
        let answer = def.function.answer();
        let start = match def.phase {
            Phase::Any => "yes",
            Phase::Started => "",
        };
        writeln!(
            page,
            "| `{}` | {} | {start} | {} | {} |",
            def.name,
            marks(def.versions),
            answer.by.name(),
            results(def),
        )
        .ok();
    }
}

fn marks(versions: VersionSet) -> String {
    let mark = |version: &AbiVersion| if versions.contains(*version) { "✓" } else { "" };
    let marks: Vec<_> = AbiVersion::ALL.iter().map(mark).collect();
    marks.join(" | ")
}

fn results(def: &FunctionDef) -> String {
    let answer = def.function.answer();
    let mut names: Vec<String> = match answer.results {
        Results::Statuses(statuses) => statuses
            .iter()
            .map(|(status, versions)| {
                let only: Vec<_> = versions.iter().map(AbiVersion::as_str).collect();
                match versions.iter().count() == AbiVersion::ALL.len() {
                    true => status.name().to_owned(),
                    false => format!("{} ({})", status.name(), only.join(", ")),
                }
            })
            .collect(),
        Results::Errnos(errnos) => errnos.iter().map(|errno| errno.name().to_owned()).collect(),
        Results::Truth => vec!["0 or 1".to_owned()],
        Results::Nothing => vec!["nothing".to_owned()],
        Results::Never => vec!["never: it is a trap".to_owned()],
    };
    if answer.by == AnsweredBy::Foreign {
        names.push("the function's own status".to_owned());
    }
    names.join(", ")
}

fn callbacks(page: &mut String) {
    let versions: Vec<_> = AbiVersion::ALL.iter().map(|version| version.as_str()).collect();
    writeln!(page, "\n## Callbacks").ok();
    writeln!(
        page,
        "All are optional: one that a plugin doesn't export is not called. The numbers are those of its parameters.\n"
    )
    .ok();
    writeln!(page, "| callback | {} | called by | when |", versions.join(" | ")).ok();
    writeln!(page, "| --- |{} --- | --- |", " :-: |".repeat(versions.len())).ok();
    for callback in Callback::ALL {
        let mark = |version: &AbiVersion| match callback.shape(*version) {
            Some(shape) => shape.params.len().to_string(),
            None => String::new(),
        };
        let marks: Vec<_> = AbiVersion::ALL.iter().map(mark).collect();
        let called = callback.called();
        writeln!(
            page,
            "| `{callback}` | {} | {} | {} |",
            marks.join(" | "),
            called.by.unwrap_or("nobody"),
            called.when,
        )
        .ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_current() {
        run(&Args { check: true }).unwrap();
    }

    #[test]
    fn everything_is_on_the_page() {
        let page = page();
        for def in HostFunction::TABLE {
            assert!(page.contains(&format!("| `{}` |", def.name)), "{}", def.name);
        }
        for callback in Callback::ALL {
            assert!(page.contains(&format!("| `{callback}` |")), "{callback}");
        }
    }
}
