//! `enginebay serve`: a server for HTTP and TCP that runs the Wasm filters of an Envoy bootstrap configuration.

mod admin;
mod attributes;
mod callouts;
mod codes;
mod config_dump;
mod connection;
mod crew;
mod discovered;
mod discovery;
mod gate;
mod headers;
mod here;
mod io;
mod limits;
mod listen;
mod log;
mod plan;
mod query;
mod reply;
mod response_body;
mod rig;
mod router;
mod routes;
mod server;
mod serving;
mod sinks;
mod stats;
mod tcp;
mod upstream;
mod worker;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::engine_args::{CompilationArgs, EngineArgs};
use crate::error::Error;
use crate::output;

/// Serve HTTP and TCP with the Wasm filters of an Envoy bootstrap configuration.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Example:\n  enginebay serve -c examples/configs/add_header.yaml --concurrency 2",
    after_long_help = format!("{LONG_HELP}\n\n{}", limits::help())
)]
pub(crate) struct ServeArgs {
    /// The configuration: a bootstrap in YAML or JSON, as Envoy reads it.
    #[arg(short = 'c', long = "config-path", value_name = "FILE")]
    config: PathBuf,

    /// How many worker threads, each with VMs of its own [default: the number of CPUs].
    #[arg(long, value_name = "N")]
    concurrency: Option<NonZeroUsize>,

    /// The least important messages to log. Plugins cannot log more than this either.
    #[arg(short = 'l', long, value_name = "LEVEL", default_value = "info")]
    log_level: log::Level,

    /// Other levels for parts of the server, for example `wasm:debug` for what plugins log, or `main:warning`.
    #[arg(long, value_name = "COMPONENT:LEVEL", value_delimiter = ',')]
    component_log_level: Vec<log::Component>,

    /// `validate` loads and starts every plugin once, and exits.
    #[arg(long, value_name = "MODE", default_value = "serve")]
    mode: Mode,

    /// Write the address of the admin interface to this file, for configurations with port 0.
    #[arg(long, value_name = "FILE")]
    admin_address_path: Option<PathBuf>,

    /// How long requests may go on after SIGTERM or SIGINT, in seconds. A second signal ends them at once.
    #[arg(long, value_name = "SECONDS", default_value = "10")]
    drain_timeout: u64,

    /// How many connections each listener takes; further ones are closed at once.
    #[arg(long, value_name = "N", default_value = "65536")]
    max_connections: usize,

    /// Change one of the bounds on what plugins can make the server keep; --help lists them.
    #[arg(long = "limit", value_name = "NAME=N", value_parser = limits::parse)]
    limits: Vec<limits::Limit>,

    /// Read the configuration again when the file changes, as on SIGHUP. One that is bad is refused, and the old one stays.
    #[arg(long)]
    watch: bool,

    /// Keep fetched code in this directory, for the next start.
    #[arg(long, value_name = "DIR")]
    code_cache: Option<PathBuf>,

    /// Credentials for the registries that images are fetched from: docker's `config.json`. It is read for each image.
    #[arg(long, value_name = "FILE")]
    pull_secrets: Option<PathBuf>,

    /// The runtime of plugins that name none, by its name or the last part of it (`wasmtime`) [default: none, and such
    /// plugins are refused].
    #[arg(long, value_name = "NAME")]
    default_runtime: Option<String>,

    #[command(flatten)]
    engine: EngineArgs,

    #[command(flatten)]
    compilation: CompilationArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Mode {
    Serve,
    Validate,
}

const LONG_HELP: &str = "\
Example:
  enginebay serve -c examples/configs/add_header.yaml --concurrency 2

Bounds:
  request headers               60 KiB and (HTTP/1.1) 100 fields, else 431
  reading a request's headers   60 s (HTTP/1.1)
  a stream without progress     5 min, then its connection is closed
  an idle connection            1 h
  HTTP/2 streams at once        1024 per connection
  upstream connections          1024 per cluster and worker, else 503
  an idle upstream connection   1 h, or idle_timeout of the cluster
  upstream response headers     60 KiB
  a TCP connection without data 1 h, unless configured

SIGHUP reads the configuration again, as a change of the file does with --watch: a listener with the same name, address
and kind keeps its connections. A configuration that is bad is refused, and the old one stays.

Admin interface (admin.address): /ready, /stats, /stats/prometheus, /config_dump, /runtimes,
/listeners; / says what each can be asked.";

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// What keeps it from starting. Of several problems of the configuration, the last; the others are written to the
/// standard error before.
pub(crate) fn run(args: ServeArgs) -> Result<(), Error> {
    log::start(args.log_level, &args.component_log_level);
    server::run(&args).map_err(|problems| {
        let mut problems: Vec<Error> = problems.lines().map(Error::new).collect();
        let last = problems
            .pop()
            .unwrap_or_else(|| Error::new("the server can't start"));
        problems.iter().for_each(output::error);
        last
    })
}
