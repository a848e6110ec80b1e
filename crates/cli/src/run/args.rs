//! The command line of `run`.

use std::path::PathBuf;

use clap::Args;
use enginebay::abi::LogLevel;

use super::values::{self, Header, Text};
use super::{given_properties, upstreams};
use crate::engine_args::EngineArgs;

/// Run one request and its response through a plugin, without a network.
///
/// Prints what the plugin changed, logged and decided, and how long it took. Ends with 1 if the plugin failed.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  enginebay run add_header.wasm --runtime all -H 'x-user: a' --response-status 404"
)]
pub(crate) struct RunArgs {
    /// The plugin: a WebAssembly file; on a runtime of native plugins, the name of one that is linked in.
    #[arg(value_name = "PLUGIN.wasm|NAME")]
    pub(crate) plugin: String,
    /// The runtime, by its name or the last part of it (`wasmtime`); `all` for every one that can run the
    /// plugin. May be given again.
    #[arg(long = "runtime", value_name = "NAME|all", value_delimiter = ',')]
    pub(crate) runtimes: Vec<String>,
    /// Write one JSON object for each runtime, one a line.
    #[arg(long)]
    pub(crate) json: bool,
    /// Load the code that `enginebay compile` put into the plugin. It is run as it is: only for plugins whose source
    /// you trust.
    #[arg(long)]
    pub(crate) allow_precompiled: bool,
    /// The least important level to log: trace, debug, info, warn, error or critical.
    #[arg(short, long, value_name = "LEVEL", default_value = "info", value_parser = values::log_level)]
    pub(crate) log_level: LogLevel,

    /// What a service answers that the plugin calls, by HTTP or gRPC: NAME=200, NAME=403:denied, NAME=timeout, NAME=error,
    /// NAME=grpc:0:HEX with a message, NAME=grpc:7:TEXT. May be given again.
    #[arg(long = "upstream", value_name = "NAME=ANSWER", value_parser = upstreams::upstream)]
    pub(crate) upstreams: Vec<upstreams::Upstream>,

    #[command(flatten)]
    pub(crate) plugin_options: PluginOptions,
    #[command(flatten)]
    pub(crate) request: RequestOptions,
    #[command(flatten)]
    pub(crate) response: ResponseOptions,
    #[command(flatten)]
    pub(crate) engine: EngineArgs,
}

/// How the plugin is configured.
#[derive(Debug, Args)]
#[command(next_help_heading = "Plugin")]
pub(crate) struct PluginOptions {
    /// The plugin's configuration.
    #[arg(long, value_name = "TEXT|@FILE", value_parser = values::text)]
    pub(crate) config: Option<Text>,
    /// The VM's configuration.
    #[arg(long, value_name = "TEXT|@FILE", value_parser = values::text)]
    pub(crate) vm_config: Option<Text>,
    /// The plugin's name.
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) name: String,
    /// The plugin's root id.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) root_id: String,
    /// The VM's id.
    #[arg(long, value_name = "ID", default_value = "", hide_default_value = true)]
    pub(crate) vm_id: String,
    /// An environment variable that the plugin sees. May be given again.
    #[arg(long, value_name = "K=V", value_parser = values::variable)]
    pub(crate) env: Vec<(String, String)>,
    /// The only capabilities that the plugin has: host functions, WASI functions and callbacks by name, with commas between
    /// them or given again [default: all]. `enginebay inspect` lists those that a plugin could need.
    #[arg(long = "allow-capability", value_name = "NAME", value_delimiter = ',')]
    pub(crate) allow_capabilities: Vec<String>,
    /// Pausing in a headers callback holds the headers alone and lets the body callbacks run on.
    #[arg(long)]
    pub(crate) allow_on_headers_stop_iteration: bool,
}

/// The request.
#[derive(Debug, Args)]
#[command(next_help_heading = "Request")]
pub(crate) struct RequestOptions {
    /// The method [default: GET, or POST with a body].
    #[arg(short = 'X', long, value_name = "M", value_parser = values::pseudo)]
    pub(crate) method: Option<String>,
    /// The path, with its query.
    #[arg(long, value_name = "P", default_value = "/", value_parser = values::pseudo)]
    pub(crate) path: String,
    /// The authority (the `host` header).
    #[arg(long, value_name = "A", default_value = "localhost", value_parser = values::pseudo)]
    pub(crate) authority: String,
    /// The scheme.
    #[arg(long, value_name = "S", default_value = "http", value_parser = values::pseudo)]
    pub(crate) scheme: String,
    /// A request header. May be given again.
    #[arg(short = 'H', long = "header", value_name = "K: V", value_parser = values::header)]
    pub(crate) headers: Vec<Header>,
    /// The request's body.
    #[arg(long, value_name = "TEXT|@FILE", value_parser = values::text)]
    pub(crate) body: Option<Text>,
    /// A request trailer. May be given again.
    #[arg(long = "trailer", value_name = "K: V", value_parser = values::header)]
    pub(crate) trailers: Vec<Header>,
    /// Hand bodies to the plugin in pieces of this size [default: in one piece].
    #[arg(long, value_name = "BYTES", value_parser = values::size)]
    pub(crate) chunk_size: Option<u64>,
    /// A property that the plugin finds, in front of what follows from the messages: 'upstream.port=80', or
    /// '/metadata/a.b=c' where a part has a dot. A file has the bytes as the plugin reads them. May be given again.
    #[arg(long = "property", value_name = "PATH=VALUE|@FILE", value_parser = given_properties::property)]
    pub(crate) properties: Vec<given_properties::GivenProperty>,
}

/// The response that the upstream would give.
#[derive(Debug, Args)]
#[command(next_help_heading = "Response of the upstream")]
pub(crate) struct ResponseOptions {
    /// The status.
    #[arg(long = "response-status", value_name = "N", default_value_t = 200,
          value_parser = clap::value_parser!(u16).range(100..1000))]
    pub(crate) status: u16,
    /// A response header. May be given again.
    #[arg(long = "response-header", value_name = "K: V", value_parser = values::header)]
    pub(crate) response_headers: Vec<Header>,
    /// The response's body.
    #[arg(long, value_name = "TEXT|@FILE", value_parser = values::text)]
    pub(crate) response_body: Option<Text>,
    /// A response trailer. May be given again.
    #[arg(long = "response-trailer", value_name = "K: V", value_parser = values::header)]
    pub(crate) response_trailers: Vec<Header>,
}

impl RunArgs {
    /// The plugin as a path.
    pub(crate) fn path(&self) -> PathBuf {
        PathBuf::from(&self.plugin)
    }
}
