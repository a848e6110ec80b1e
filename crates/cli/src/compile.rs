//! `enginebay compile`.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::engine_args::EngineArgs;
use crate::error::Error;
use crate::{names, output};

/// Compile a plugin ahead of time, into a custom section of the module.
///
/// The module stays what it was for everybody else. A host that allows precompiled code (`allow_precompiled`, `run
/// --allow-precompiled`) loads it without compiling, if its engine, version, machine and settings are the same. Compiled
/// code of other runtimes stays in the module; that of an earlier version of the same one is replaced.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  enginebay compile add_header.wasm --runtime wasmtime -o add_header.fast.wasm\n  \
                  enginebay run add_header.fast.wasm --runtime wasmtime --allow-precompiled"
)]
pub(crate) struct CompileArgs {
    /// The plugin: a WebAssembly file.
    #[arg(value_name = "PLUGIN.wasm")]
    plugin: PathBuf,
    /// The runtime to compile for, by its name or the last part of it (`wasmtime`).
    #[arg(long, value_name = "NAME")]
    runtime: String,
    /// Where to write the module. May be the plugin's own file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    engine: EngineArgs,
}

/// Compiles and writes the module.
pub(crate) fn run(args: &CompileArgs) -> Result<(), Error> {
    let path = args.plugin.display();
    let registry = enginebay::registry().map_err(|error| Error::new(error.to_string()))?;
    let runtime = names::find(&registry, "--runtime", &args.runtime)?;
    let code = std::fs::read(&args.plugin)
        .map_err(|error| Error::about(format_args!("Invalid path: {path}"), error))?;
    let about = |error| Error::about(format_args!("{path}: {}", runtime.name), error);
    let mut options = args.engine.options();
    options.max_instances = 1;
    let module = runtime
        .create(&options)
        .and_then(|engine| engine.precompile_into(&code))
        .map_err(about)?;
    write(&args.output, &module).map_err(|error| Error::about(args.output.display(), error))?;
    output::note(&format!(
        "{} for {}: {} bytes, {} without the compiled code",
        args.output.display(),
        runtime.engine,
        module.len(),
        code.len()
    ));
    Ok(())
}

/// Writes beside the file and puts it in place when it is whole: it may be the plugin's own.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let written = std::fs::File::create(&part)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| std::fs::rename(&part, path));
    if written.is_err() {
        let _ = std::fs::remove_file(&part);
    }
    written
}
