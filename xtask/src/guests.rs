//! `cargo xtask guests`: the guest plugins of `tests/guests`, their committed `.wasm` files, and whether the two belong
//! together.
//!
//! A guest is a folder with a `Cargo.toml` or a `package.json`. Beside its `wasm/NAME.wasm` lies `wasm/NAME.sha256`, the hash of the source
//! it was built from, so that a source that changed without a rebuild is found without a wasm toolchain.

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::workspace;

mod build;
mod check;
mod paths;
mod script;
mod source;

pub use check::check;
pub use paths::machine_paths;
pub use source::{names, source_hash};

/// Rebuild the guest plugins in tests/guests and the .wasm files beside them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The cargo to build with, when the usual one has no wasm32-wasip1 standard library.
    #[arg(long, value_name = "PATH", conflicts_with = "check")]
    cargo: Option<PathBuf>,

    /// Build nothing; only say whether every .wasm belongs to its source.
    #[arg(long)]
    check: bool,
}

/// Builds every guest, or checks them all.
///
/// # Errors
///
/// A guest cannot be built, or does not match its source.
pub fn run(args: &Args) -> Result<()> {
    let guests = workspace::guests();
    if !args.check {
        build::build(&guests, args.cargo.as_deref())?;
    }
    let problems = check(&guests)?;
    if problems.is_empty() {
        eprintln!("every guest matches its source");
        return Ok(());
    }
    bail!("{}", problems.join("\n"));
}
