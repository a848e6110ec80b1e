//! What a case is. `tests/parity/README.md` has the same for those who write one.

use std::collections::BTreeMap;

use serde::Deserialize;

/// One configuration, what is done to the server, and what is compared.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// `AREA/NAME`, after its file.
    #[serde(skip)]
    pub name: String,
    /// What it shows, in a sentence.
    pub about: String,
    /// In the order in which requests meet them.
    #[serde(default)]
    pub plugin: Vec<Plugin>,
    /// Environment of the server.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// What is done once it is ready.
    #[serde(default)]
    pub step: Vec<Step>,
    /// The server is to refuse the configuration, and to say all of these.
    #[serde(default)]
    pub refused: Vec<String>,
    /// How lines of plugins' streams are compared.
    #[serde(default)]
    pub log: Lines,
    /// Whether the plugins' metrics are compared with their values.
    #[serde(default)]
    pub metrics: Metrics,
    /// Other counters of the server that are compared, by name.
    #[serde(default)]
    pub stats: Vec<String>,
    /// Whether requests that come to the upstream are sorted: some come at the same time.
    #[serde(default)]
    pub upstream_sorted: bool,
    /// Aspects that are not compared, because they depend on who is quicker.
    #[serde(default)]
    pub skip: Vec<String>,
    /// The differences there are to be.
    #[serde(default)]
    pub differs: Vec<Difference>,
}

/// A plugin's configuration.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plugin {
    /// Where it is.
    #[serde(default)]
    pub kind: Kind,
    /// Its `name`.
    #[serde(default = "plugin")]
    pub name: String,
    /// A guest of `tests/guests`.
    pub guest: Option<String>,
    /// Or a module in WebAssembly's text format.
    pub wat: Option<String>,
    /// Or bytes, as text.
    pub bytes: Option<String>,
    /// Or a configuration of code in full.
    pub code: Option<serde_json::Value>,
    /// Its `configuration`: a `StringValue`, or any message with its `@type`.
    pub configuration: Option<serde_json::Value>,
    /// Its VM's `configuration`, likewise.
    pub vm_configuration: Option<serde_json::Value>,
    /// Its `vm_id`.
    #[serde(default = "vm")]
    pub vm_id: String,
    /// Its `root_id`.
    #[serde(default = "root")]
    pub root_id: String,
    /// More fields of its `PluginConfig`.
    #[serde(default)]
    pub more: serde_json::Map<String, serde_json::Value>,
    /// More fields of its `VmConfig`.
    #[serde(default)]
    pub more_vm: serde_json::Map<String, serde_json::Value>,
}

fn plugin() -> String {
    "plugin".to_owned()
}

fn vm() -> String {
    "vm".to_owned()
}

fn root() -> String {
    "root".to_owned()
}

/// Where a plugin is in the server's configuration.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An HTTP filter.
    #[default]
    Filter,
    /// An access logger.
    AccessLog,
    /// `envoy.bootstrap.wasm`, a singleton.
    Service,
}

/// Which lines of the log are compared.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Lines {
    /// All, in their order.
    #[default]
    Ordered,
    /// Each once, in the order in which they came first.
    Unique,
    /// None.
    None,
}

/// What is compared of the plugins' metrics.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Metrics {
    /// Names and, but for histograms, values.
    #[default]
    Values,
    /// Names.
    Names,
}

/// One thing that is done.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Sends a request: method and path. All other fields but the last two are about it.
    pub request: Option<String>,
    /// Over HTTP/2.
    #[serde(default)]
    pub http2: bool,
    /// `name: value`.
    #[serde(default)]
    pub headers: Vec<String>,
    /// In pieces, each in a frame or chunk of its own. Without one, there is no body.
    #[serde(default)]
    pub body: Vec<String>,
    /// Each piece so many times.
    #[serde(default = "once")]
    pub times: usize,
    /// Milliseconds before each of several pieces, and before trailers.
    #[serde(default)]
    pub pause_ms: u64,
    /// `name: value`, with HTTP/2.
    #[serde(default)]
    pub trailers: Vec<String>,
    /// Does not read the response.
    #[serde(default)]
    pub leave: bool,
    /// Waits until the log has this in it.
    pub wait_log: Option<String>,
    /// Waits so long.
    pub sleep_ms: Option<u64>,
}

fn once() -> usize {
    1
}

/// A difference that there is to be, in one aspect of the answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// Text of the row in `docs/envoy-differences.md` that says so.
    pub row: String,
    /// The aspect: `start`, `response 1`, `upstream`, `log` and so on.
    #[serde(rename = "in")]
    pub aspect: String,
    /// Lines that only Envoy has.
    #[serde(default)]
    pub envoy: Vec<String>,
    /// Lines that only the server has.
    #[serde(default)]
    pub enginebay: Vec<String>,
}
