//! What a case is.

use enginebay::abi::{
    BufferType, Callback, HostFunction, LogLevel, MapType, Status, StreamType, VersionSet, WasiErrno,
};

/// What one plugin does, what it is given, and what must come of it.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name after the version: `proxy_log/ok`. Names are stable.
    pub name: String,
    /// Versions of the ABI that the case is about.
    pub versions: VersionSet,
    /// Which group of cases it belongs to.
    pub area: Area,
    /// What the embedder gives.
    pub given: Given,
    /// What the plugin does in each callback, the first time it is called.
    pub script: Vec<(Callback, Vec<Step>)>,
    /// What the embedder must see.
    pub effects: Vec<Effect>,
    /// Part of the message with which the VM must fail; without it, it must not fail.
    pub fails: Option<&'static str>,
    /// Where the specification says something else, or Envoy does: what, and why this is right.
    pub differs: Option<&'static str>,
}

/// A group of cases: the first part of their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// The functions of `env`, and the callbacks: `abi/0.2.1`.
    Abi,
    /// WASI, under both names: `wasi/wasi_unstable`.
    Wasi,
    /// What may be called while the module starts: `start`. The script's steps run in `_initialize`.
    Start,
}

/// Something a plugin does.
#[derive(Clone, Debug)]
pub enum Step {
    /// Calls a host function.
    Call {
        /// Which one.
        function: HostFunction,
        /// With what.
        args: Vec<Arg>,
        /// Parameters that get another value than `args` says, by their position.
        replaced: Vec<(usize, u64)>,
        /// What it must return. `None` for a function that returns nothing, or not at all.
        returns: Option<u32>,
    },
    /// These bytes must be at this address.
    Memory(u32, Vec<u8>),
    /// These bytes must be where the pair of address and size in [`OUT`] says.
    Out(Vec<u8>),
    /// Likewise, and more may follow.
    OutStarts(Vec<u8>),
    /// Does as if the callback's argument at this position must have this value.
    Param(u32, u32),
    /// Writes a number.
    Store(u32, u32),
    /// How the allocator is from now on.
    Allocator(Allocator),
    /// What the callback returns, instead of true or "continue".
    Return(u32),
}

/// An argument, or two.
#[derive(Clone, Debug)]
pub enum Arg {
    /// A number or an address.
    Num(u64),
    /// The address and the size of these bytes.
    Data(Vec<u8>),
    /// The address and the number of a list of pieces for `fd_write`.
    Pieces(Vec<Vec<u8>>),
    /// The number at this address.
    Load(u32),
}

/// How a guest's allocator behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allocator {
    /// As it should.
    Good,
    /// There is no memory left.
    Empty,
    /// It gives an address outside of the memory.
    Outside,
    /// It makes the root context the current one.
    Switching,
}

/// Addresses for an address and a size that a function returns.
pub const OUT: [u32; 2] = [8, 12];
/// An address for a number that a function returns.
pub const NUMBER: u32 = 16;
/// Another one.
pub const OTHER: u32 = 24;
/// What is at those addresses before.
pub const FILLER: u8 = 0xee;
/// The first address that is not in the guest's memory.
pub const END: u32 = PAGES << 16;
/// Pages of memory that a guest has: more than the largest property takes.
pub(crate) const PAGES: u32 = 20;

/// What the embedder gives.
#[derive(Clone, Debug)]
pub struct Given {
    /// The stream's header maps. All of them can be read at any time.
    pub maps: Vec<(MapType, Vec<(&'static str, &'static str)>)>,
    /// The stream's buffers. All of them can be read at any time.
    pub buffers: Vec<(BufferType, &'static str)>,
    /// The stream's properties.
    pub properties: Vec<(&'static str, &'static str)>,
    /// The least important level that is logged.
    pub log_level: LogLevel,
    /// Whether there is randomness.
    pub random: bool,
    /// Environment variables.
    pub environment: Vec<(&'static str, &'static str)>,
    /// One entry of shared data, one queue with one item, one metric, and names of 64 bytes are all there may be.
    pub tight: bool,
    /// The stream does nothing that an embedder need not do.
    pub bare: bool,
    /// Callouts that are sent come to nothing.
    pub unanswered: bool,
    /// So many callouts one context may have under way.
    pub callouts: usize,
}

impl Default for Given {
    fn default() -> Self {
        Given {
            maps: vec![
                (
                    MapType::HttpRequestHeaders,
                    vec![(":path", "/"), ("accept", "a"), ("empty", ""), ("accept", "b")],
                ),
                (MapType::HttpResponseHeaders, vec![(":status", "200")]),
            ],
            buffers: vec![(BufferType::HttpRequestBody, "hello")],
            properties: vec![("request\0path", "/x"), ("empty", "")],
            log_level: LogLevel::Trace,
            random: true,
            environment: vec![("KEY", "value"), ("EMPTY", "")],
            tight: false,
            bare: false,
            unanswered: false,
            callouts: 16,
        }
    }
}

/// Something the embedder must see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The plugin logged this, and nothing else.
    Logged(LogLevel, &'static str),
    /// The plugin logged nothing.
    Silent,
    /// The map is this.
    Headers(MapType, Vec<(&'static str, &'static str)>),
    /// The buffer is this.
    Buffer(BufferType, &'static str),
    /// No map, buffer or property was changed, and nothing was asked of the stream.
    Untouched,
    /// The property is this.
    Property(&'static str, &'static str),
    /// Status, details, body, headers, gRPC status of the one local response.
    Local(
        u32,
        &'static str,
        &'static str,
        Vec<(&'static str, &'static str)>,
        Option<u32>,
    ),
    /// These were to go on.
    Continued(Vec<StreamType>),
    /// These were to be closed.
    Closed(Vec<StreamType>),
    /// The route was to be chosen anew.
    RouteCleared,
    /// The ticks that the root context asked for, in milliseconds; 0 for none.
    Ticks(Vec<u64>),
    /// The callouts that were sent, one line each.
    Called(Vec<&'static str>),
    /// So many contexts are left, the root context among them.
    Contexts(usize),
}

/// What a host function returns, from what a case says.
pub trait Returns {
    /// The number.
    fn number(self) -> Option<u32>;
}

impl Returns for Status {
    fn number(self) -> Option<u32> {
        Some(self.as_u32())
    }
}

impl Returns for WasiErrno {
    fn number(self) -> Option<u32> {
        Some(self.as_u32())
    }
}

impl Returns for u32 {
    fn number(self) -> Option<u32> {
        Some(self)
    }
}

/// Nothing.
impl Returns for () {
    fn number(self) -> Option<u32> {
        None
    }
}

impl Case {
    /// A case without a script, for all versions.
    pub fn new(name: impl Into<String>) -> Self {
        Case {
            name: name.into(),
            versions: VersionSet::ALL,
            area: Area::Abi,
            given: Given::default(),
            script: Vec::new(),
            effects: Vec::new(),
            fails: None,
            differs: None,
        }
    }

    /// A case about a function, for the versions that have it. What is called is called in the request headers.
    pub fn of(function: HostFunction, name: &str) -> Self {
        let mut case = Case::new(format!("{function}/{name}"));
        case.versions = function.def().versions;
        case.during(Callback::ProxyOnRequestHeaders)
    }

    /// Only for these versions.
    #[must_use]
    pub fn in_versions(mut self, versions: VersionSet) -> Self {
        self.versions = versions;
        self
    }

    /// In another area.
    #[must_use]
    pub fn in_area(mut self, area: Area) -> Self {
        self.area = area;
        self
    }

    /// With other things given.
    #[must_use]
    pub fn given(mut self, change: impl FnOnce(&mut Given)) -> Self {
        change(&mut self.given);
        self
    }

    /// What follows is done in this callback.
    #[must_use]
    pub fn during(mut self, callback: Callback) -> Self {
        if self.script.last().is_some_and(|(_, steps)| steps.is_empty()) {
            self.script.pop();
        }
        self.script.push((callback, Vec::new()));
        self
    }

    /// The plugin does this.
    #[must_use]
    pub fn step(mut self, step: Step) -> Self {
        if self.script.is_empty() {
            self = self.during(Callback::ProxyOnRequestHeaders);
        }
        if let Some((_, steps)) = self.script.last_mut() {
            steps.push(step);
        }
        self
    }

    /// The plugin calls this, which must return that.
    #[must_use]
    pub fn call(
        self,
        function: HostFunction,
        args: impl IntoIterator<Item = Arg>,
        returns: impl Returns,
    ) -> Self {
        self.step(Step::Call {
            function,
            args: args.into_iter().collect(),
            replaced: Vec::new(),
            returns: returns.number(),
        })
    }

    /// What must be at [`NUMBER`].
    #[must_use]
    pub fn number(self, expected: u32) -> Self {
        self.step(Step::Memory(NUMBER, expected.to_le_bytes().into()))
    }

    /// What [`OUT`] must lead to.
    #[must_use]
    pub fn out(self, expected: impl AsRef<[u8]>) -> Self {
        self.step(Step::Out(expected.as_ref().to_vec()))
    }

    /// How the allocator is from now on.
    #[must_use]
    pub fn allocator(self, allocator: Allocator) -> Self {
        self.step(Step::Allocator(allocator))
    }

    /// The embedder must see this.
    #[must_use]
    pub fn then(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    /// The VM must fail with a message that has this in it.
    #[must_use]
    pub fn failing(mut self, message: &'static str) -> Self {
        self.fails = Some(message);
        self
    }

    /// Where the specification or Envoy says something else, and why this is right.
    #[must_use]
    pub fn differs(mut self, why: &'static str) -> Self {
        self.differs = Some(why);
        self
    }

    /// Every call of the case.
    pub fn calls(&self) -> impl Iterator<Item = (HostFunction, Option<u32>)> {
        let steps = self.script.iter().flat_map(|(_, steps)| steps);
        steps.filter_map(|step| match step {
            Step::Call {
                function, returns, ..
            } => Some((*function, *returns)),
            _ => None,
        })
    }
}

/// A number.
pub(crate) fn num(value: u32) -> Arg {
    Arg::Num(u64::from(value))
}

/// A number of 64 bits.
pub(crate) fn wide(value: i64) -> Arg {
    Arg::Num(value as u64)
}

/// Address and size of bytes.
pub(crate) fn data(bytes: impl AsRef<[u8]>) -> Arg {
    Arg::Data(bytes.as_ref().to_vec())
}

/// The address of [`OUT`] and what follows it: for a function that gives bytes.
pub(crate) fn out() -> [Arg; 2] {
    OUT.map(num)
}
