//! `enginebay inspect`.

mod origin;
mod summary;
mod text;

use std::path::PathBuf;

use clap::Args;

use crate::error::Error;
use crate::output::{self, Style};

/// Show what a plugin is built for and what it needs, without running it.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  enginebay inspect add_header.wasm --json")]
pub(crate) struct InspectArgs {
    /// The plugin: a WebAssembly file.
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: PathBuf,
    /// Write one JSON object.
    #[arg(long)]
    json: bool,
}

/// Writes what the module says about itself.
pub(crate) fn run(args: &InspectArgs) -> Result<(), Error> {
    let path = args.plugin.display();
    let code = std::fs::read(&args.plugin)
        .map_err(|error| Error::about(format_args!("Invalid path: {path}"), error))?;
    let summary = summary::Summary::of(&code).map_err(|error| Error::about(path, error))?;
    match args.json {
        true => output::write_json(&summary),
        false => output::write(&text::render(&summary, Style::of_stdout())),
    }
}
