//! What a host must do so that the suite can be run on it.

use std::collections::BTreeMap;

use enginebay::abi::{BufferType, LogLevel, MapType, PeerType, StreamType};
use enginebay::engine::Runtime;

use crate::case::Given;

/// A host of Proxy-Wasm plugins.
///
/// [`EngineHost`](crate::EngineHost) is one for each of enginebay's runtimes. Another host takes part through an
/// implementation of these methods: the suite has no other way to talk to it.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use enginebay_conformance::Candidate;
/// use enginebay_conformance::host::{EVENTS, Event, Exchange, Host, Outcome, Plugin};
///
/// struct Mine;
///
/// struct Loaded(Vec<u8>);
///
/// impl Host for Mine {
///     fn name(&self) -> &str {
///         "mine"
///     }
///
///     fn load(&self, code: &[u8]) -> Result<Box<dyn Plugin>, String> {
///         Ok(Box::new(Loaded(code.to_vec()))) // Compiles it, say.
///     }
/// }
///
/// impl Plugin for Loaded {
///     fn run(&self, exchange: &Exchange<'_>) -> Outcome {
///         // A VM with `exchange.vm_configuration`, a plugin in it, and a stream that has what `exchange.given` says.
///         let mut outcome = Outcome::default();
///         for event in EVENTS {
///             match event {
///                 Event::RequestHeaders(_count, _end) => { /* calls proxy_on_request_headers */ }
///                 _ => outcome.failure = Some("not done yet".to_owned()),
///             }
///         }
///         outcome
///     }
/// }
///
/// fn main() -> ExitCode {
///     enginebay_conformance::main(vec![Candidate::new("mine", || Ok(Box::new(Mine)))])
/// }
/// ```
pub trait Host {
    /// What it is called in reports and by `--runtime`.
    fn name(&self) -> &str;

    /// Makes a plugin that can be started any number of times.
    ///
    /// # Errors
    /// Why the code can't be used.
    fn load(&self, code: &[u8]) -> Result<Box<dyn Plugin>, String>;

    /// The runtime, for one of enginebay's. Only these are asked for what is below the ABI: the areas `engine`, `guests`,
    /// `lifecycle`, `sharing`, `limits`, `allocator` and `memory`.
    fn runtime(&self) -> Option<&Runtime> {
        None
    }
}

/// A plugin that was loaded.
pub trait Plugin {
    /// Runs an exchange from beginning to end in a VM of its own, and says what came of it.
    fn run(&self, exchange: &Exchange<'_>) -> Outcome;
}

/// What one plugin goes through.
///
/// A VM is started with the id [`VM_ID`] and the configuration given here, in it the plugin [`PLUGIN_NAME`] with the root id
/// [`ROOT_ID`] and the configuration [`PLUGIN_CONFIGURATION`], and in that a stream; then [`EVENTS`] happen.
#[derive(Clone, Debug)]
pub struct Exchange<'a> {
    /// The VM's configuration.
    pub vm_configuration: &'a [u8],
    /// What the embedder has.
    pub given: &'a Given,
}

/// The id of the VM.
pub const VM_ID: &str = "my_vm";
/// The plugin's name.
pub const PLUGIN_NAME: &str = "my_plugin";
/// The root context's id.
pub const ROOT_ID: &str = "my_root";
/// The plugin's configuration.
pub const PLUGIN_CONFIGURATION: &str = "plugin configuration";
/// Nanoseconds of the clock on the wall, all the time.
pub const REALTIME: u64 = 0x1234_5678_9abc_def0;
/// Nanoseconds of the monotonic clock, all the time.
pub const MONOTONIC: u64 = 77;

/// The upstream that answers callouts. To `down` nothing can be sent; others are not known.
pub const UPSTREAM: &str = "cluster";
/// A message that can't be sent on a gRPC stream.
pub const TOO_MUCH: &str = "too much";

/// Something that happens to the plugin: the arguments of callbacks are as given here, whatever maps and buffers have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// `proxy_on_new_connection`.
    NewConnection,
    /// `proxy_on_downstream_data`.
    DownstreamData(usize, bool),
    /// `proxy_on_upstream_data`.
    UpstreamData(usize, bool),
    /// `proxy_on_request_headers`.
    RequestHeaders(usize, bool),
    /// `proxy_on_request_metadata`.
    RequestMetadata(usize),
    /// `proxy_on_request_body`.
    RequestBody(usize, bool),
    /// `proxy_on_request_trailers`.
    RequestTrailers(usize),
    /// `proxy_on_response_headers`.
    ResponseHeaders(usize, bool),
    /// `proxy_on_response_body`.
    ResponseBody(usize, bool),
    /// `proxy_on_response_trailers`.
    ResponseTrailers(usize),
    /// `proxy_on_response_metadata`.
    ResponseMetadata(usize),
    /// `proxy_on_downstream_connection_close`.
    DownstreamClose(PeerType),
    /// `proxy_on_upstream_connection_close`.
    UpstreamClose(PeerType),
    /// Every callout that is under way is answered, in the order in which they were sent ([`Given::unanswered`]).
    ///
    /// An HTTP call: `:status: 200`, `k: v`, the body `reply`, the trailer `t: 1`. A gRPC call: initial metadata `i: 1`, the
    /// message `message`. A gRPC stream: likewise, then trailing metadata `t: 1`, `u: 2`, and it is closed with status 0.
    CalloutsAnswered,
    /// `proxy_on_queue_ready`, for what is in queues that the plugin registered.
    QueuesReady,
    /// `proxy_on_foreign_function` with this number and [`FOREIGN_ARGUMENTS`].
    ForeignFunction(u32),
    /// `envoy_on_stats_update` with [`STATS`].
    StatsUpdate,
    /// `proxy_on_log`.
    Log,
    /// The stream is over: `proxy_on_done` and `proxy_on_delete`. What [`Outcome::stream`] has is from before.
    Done,
    /// `proxy_on_tick`.
    Tick,
}

/// Arguments of the foreign function that the embedder calls.
pub const FOREIGN_ARGUMENTS: &[u8] = b"arguments";

/// What a stats sink is told: no counters, and no gauges.
pub const STATS: &[u8] = b"\x0c\0\0\0\x01\0\0\0\0\0\0\0\x0c\0\0\0\x02\0\0\0\0\0\0\0";

/// Everything that happens, in order.
pub const EVENTS: [Event; 20] = [
    Event::NewConnection,
    Event::DownstreamData(7, false),
    Event::UpstreamData(6, true),
    Event::RequestHeaders(4, false),
    Event::RequestMetadata(3),
    Event::RequestBody(5, false),
    Event::RequestTrailers(2),
    Event::ResponseHeaders(1, false),
    Event::ResponseBody(3, true),
    Event::ResponseTrailers(1),
    Event::ResponseMetadata(9),
    Event::DownstreamClose(PeerType::Remote),
    Event::UpstreamClose(PeerType::Local),
    Event::CalloutsAnswered,
    Event::QueuesReady,
    Event::ForeignFunction(3),
    Event::StatsUpdate,
    Event::Log,
    Event::Done,
    Event::Tick,
];

/// Headers, in order.
pub type Pairs = Vec<(String, String)>;

/// What came of an exchange.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Why the VM failed, if it did. Nothing happens after that.
    pub failure: Option<String>,
    /// What the plugin logged.
    pub log: Vec<(LogLevel, String)>,
    /// Local responses that it sent.
    pub local: Vec<Local>,
    /// What it let go on.
    pub continued: Vec<StreamType>,
    /// What it closed.
    pub closed: Vec<StreamType>,
    /// How many times it asked for the route to be chosen anew.
    pub routes_cleared: usize,
    /// The tick periods that it asked for, in milliseconds; 0 for none.
    pub ticks: Vec<u64>,
    /// Callouts that it sent, one line each (see the cases in `src/cases/callouts.rs`).
    pub called: Vec<String>,
    /// The stream just before [`Event::Done`]. `None` if it did not come to that.
    pub stream: Option<StreamOutcome>,
    /// Contexts that are left in the end, the root context among them.
    pub contexts: usize,
}

/// What is left of a stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StreamOutcome {
    /// Its header maps.
    pub maps: BTreeMap<MapType, Pairs>,
    /// Its buffers.
    pub buffers: BTreeMap<BufferType, String>,
    /// Its properties; parts of paths are separated by NUL bytes.
    pub properties: BTreeMap<String, String>,
}

impl StreamOutcome {
    /// That of a stream to which nothing was done.
    pub fn untouched(given: &Given) -> Self {
        StreamOutcome {
            maps: given
                .maps
                .iter()
                .map(|(map, headers)| (*map, owned(headers)))
                .collect(),
            buffers: given
                .buffers
                .iter()
                .map(|(buffer, text)| (*buffer, (*text).to_owned()))
                .collect(),
            properties: owned(&given.properties).into_iter().collect(),
        }
    }
}

/// A local response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Local {
    /// The status.
    pub status: u32,
    /// Why.
    pub details: String,
    /// The body.
    pub body: String,
    /// Headers besides.
    pub headers: Pairs,
    /// The gRPC status, if one was given.
    pub grpc_status: Option<u32>,
}

pub(crate) fn owned(pairs: &[(&str, &str)]) -> Pairs {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}
