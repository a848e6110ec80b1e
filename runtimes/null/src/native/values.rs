//! The numbers of Proxy-Wasm that the trait and its host functions use.

use std::fmt;

/// What becomes of a stream after a callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Action {
    /// It goes on.
    Continue = 0,
    /// It waits for [`HostCalls::continue_stream`](super::HostCalls::continue_stream).
    Pause = 1,
}

/// How important a log message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
#[expect(missing_docs, reason = "the usual levels")]
pub enum LogLevel {
    Trace = 0,
    Debug = 1,
    Info = 2,
    Warn = 3,
    Error = 4,
    Critical = 5,
}

/// A header map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Map {
    RequestHeaders = 0,
    RequestTrailers = 1,
    ResponseHeaders = 2,
    ResponseTrailers = 3,
    GrpcInitialMetadata = 4,
    GrpcTrailingMetadata = 5,
    HttpCallHeaders = 6,
    HttpCallTrailers = 7,
}

/// A buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Buffer {
    RequestBody = 0,
    ResponseBody = 1,
    DownstreamData = 2,
    UpstreamData = 3,
    HttpCallBody = 4,
    GrpcMessage = 5,
    VmConfiguration = 6,
    PluginConfiguration = 7,
    ForeignFunctionArguments = 8,
}

/// A direction of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Stream {
    Request = 0,
    Response = 1,
    Downstream = 2,
    Upstream = 3,
}

/// What a metric does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum MetricKind {
    /// Only grows.
    Counter = 0,
    /// Goes up and down.
    Gauge = 1,
    /// Takes samples.
    Histogram = 2,
}

/// Why a host function did not do what it was asked to: a status of Proxy-Wasm other than 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Status(pub u32);

impl Status {
    /// There is no such thing.
    pub const NOT_FOUND: Status = Status(1);
    /// An argument is out of range, or not allowed now.
    pub const BAD_ARGUMENT: Status = Status(2);
    /// A value could not be encoded.
    pub const SERIALIZATION_FAILURE: Status = Status(3);
    /// A value could not be decoded.
    pub const PARSE_FAILURE: Status = Status(4);
    /// The queue is empty.
    pub const EMPTY: Status = Status(7);
    /// Somebody else changed the value.
    pub const CAS_MISMATCH: Status = Status(8);
    /// The host failed. After one that ends the VM, all further host functions say this.
    pub const INTERNAL_FAILURE: Status = Status(10);
    /// The host doesn't offer the function.
    pub const UNIMPLEMENTED: Status = Status(12);
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.0 {
            1 => "not found",
            2 => "bad argument",
            3 => "serialization failure",
            4 => "parse failure",
            5 => "bad expression",
            6 => "invalid memory access",
            7 => "empty",
            8 => "compare-and-swap mismatch",
            9 => "result mismatch",
            10 => "internal failure",
            11 => "broken connection",
            12 => "unimplemented",
            other => return write!(f, "status {other}"),
        };
        f.write_str(name)
    }
}

impl fmt::Debug for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Status({}: {self})", self.0)
    }
}

impl std::error::Error for Status {}
