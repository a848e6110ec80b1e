//! Building a guest that is written in AssemblyScript.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::source::children;
use crate::process;

/// Whether npm can be run here.
pub(super) fn npm_is_there() -> bool {
    process::succeeds(Command::new("npm").arg("--version"))
}

/// Builds the guest in the folder `guest` and returns its module. `build` is where it is built, so that neither the
/// packages nor what comes of it lie among the sources.
pub(super) fn build(guest: &Path, build: &Path) -> Result<Vec<u8>> {
    let sources = build.join("assembly");
    if sources.exists() {
        fs::remove_dir_all(&sources).with_context(|| format!("cannot remove {}", sources.display()))?;
    }
    copy(guest, build)?;
    copy(&guest.join("assembly"), &sources)?;
    process::run(
        Command::new("npm")
            // No script of a package is run: none is needed.
            .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
            .current_dir(build),
    )?;
    process::run(
        Command::new("node")
            .args(["node_modules/assemblyscript/bin/asc", "assembly/index.ts"])
            // The SDK's own way to end, for `env.abort` is no function of a host.
            .args(["--binaryFile", "guest.wasm", "--use", "abort=abort_proc_exit"])
            // With debug information, which is function names only when there is no source map.
            .args(["-O3", "--debug"])
            .current_dir(build),
    )?;
    let built = build.join("guest.wasm");
    fs::read(&built).with_context(|| format!("cannot read {}", built.display()))
}

/// Copies the files in a folder, without the folders in it.
fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for path in children(from)? {
        if let Some(name) = path.file_name()
            && path.is_file()
        {
            fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}
