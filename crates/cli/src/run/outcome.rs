//! What came of a run on one runtime.

use std::time::Duration;

use bytes::Bytes;
use enginebay::{Failure, HeaderMap};

use super::platform::Log;

/// Everything that a run on one runtime showed.
#[derive(Clone, Debug)]
pub(super) struct Outcome {
    pub(super) runtime: &'static str,
    /// The compilation and linking of the module.
    pub(super) load: Duration,
    /// Every call into the plugin, in order.
    pub(super) calls: Vec<Call>,
    pub(super) logs: Vec<Log>,
    /// The request as the plugin left it.
    pub(super) request: Message,
    /// The response as the client gets it, if it gets any.
    pub(super) response: Option<Message>,
    pub(super) local_reply: Option<LocalReplySent>,
    /// Every request that the plugin sent or tried to, in order.
    pub(super) callouts: Vec<Callout>,
    /// How many more there were, which a run does not allow.
    pub(super) callouts_refused: usize,
    pub(super) ending: Ending,
    pub(super) failure: Option<Failure>,
}

/// One call into the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) name: &'static str,
    /// What it told the host to do, if it is one that does and came back.
    pub(super) action: Option<&'static str>,
    pub(super) took: Duration,
}

/// A request that the plugin sent itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Callout {
    pub(super) kind: CalloutKind,
    pub(super) upstream: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) came: Came,
}

/// What a plugin calls out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CalloutKind {
    Http,
    GrpcCall,
    GrpcStream,
}

impl CalloutKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            CalloutKind::Http => "http",
            CalloutKind::GrpcCall => "grpc call",
            CalloutKind::GrpcStream => "grpc stream",
        }
    }
}

/// What came of a callout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Came {
    /// A status, of HTTP or gRPC, and a body or message of this many bytes.
    Answer(u32, usize),
    Timeout,
    Error,
    /// The plugin cancelled it, or its stream ended first.
    Cancelled,
    /// No upstream has this name.
    Unknown,
}

impl Came {
    /// A name for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Came::Answer(..) => "answer",
            Came::Timeout => "timeout",
            Came::Error => "error",
            Came::Cancelled => "cancelled",
            Came::Unknown => "unknown_upstream",
        }
    }
}

/// A local reply of the plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LocalReplySent {
    /// The callback that sent it.
    pub(super) from: &'static str,
    pub(super) details: String,
}

/// How the exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// With a whole response.
    Done,
    /// This callback held the request, and nothing is there to resume it.
    RequestPaused(&'static str),
    /// This callback held the response, and nothing is there to resume it.
    ResponsePaused(&'static str),
    /// The plugin closed the stream in this callback.
    Closed(&'static str),
    /// The response was cut off in this callback, after its headers had been sent.
    Cut(&'static str),
    /// The plugin could not be loaded or started, so there was no exchange.
    NotStarted,
}

impl Ending {
    /// A name for programs.
    pub(super) fn name(self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::RequestPaused(_) => "request_paused",
            Ending::ResponsePaused(_) => "response_paused",
            Ending::Closed(_) => "closed",
            Ending::Cut(_) => "cut",
            Ending::NotStarted => "not_started",
        }
    }
}

/// A request or a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Message {
    /// Pseudo-headers among them.
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
    pub(super) trailers: HeaderMap,
}

impl Message {
    /// The status of a response, if it is a number.
    pub(super) fn status(&self) -> Option<u32> {
        std::str::from_utf8(self.headers.get(":status")?)
            .ok()?
            .parse()
            .ok()
    }
}

impl Outcome {
    /// Whether two runtimes did the same, whatever time they took and in whatever words they failed.
    pub(super) fn same_as(&self, other: &Outcome) -> bool {
        fn actions(outcome: &Outcome) -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
            outcome.calls.iter().map(|call| (call.name, call.action))
        }
        fn failed(outcome: &Outcome) -> Option<(&'static str, Option<&'static str>)> {
            outcome.failure.as_ref().map(|f| (f.state().name(), f.function()))
        }
        self.request == other.request
            && self.response == other.response
            && self.local_reply == other.local_reply
            && self.ending == other.ending
            && self.logs == other.logs
            && self.callouts == other.callouts
            && self.callouts_refused == other.callouts_refused
            && actions(self).eq(actions(other))
            && failed(self) == failed(other)
    }
}
