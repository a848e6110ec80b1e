//! What a chain may use.

use std::time::Duration;

/// Limits and settings of a chain. Each limit is for one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ChainOptions {
    /// Bytes of a body or a TCP connection that one paused plugin may hold back in each direction; Envoy's
    /// `per_connection_buffer_limit_bytes`. More is 413 for a request and 500 for a response whose head was not
    /// sent yet; after that the response is cut. Where the plugin asked for a watermark, and on TCP connections,
    /// reading stops instead. Default 1 MiB.
    pub body_buffer: usize,
    /// Bytes up to which a plugin may let a buffer of a body or a TCP connection grow by writing to it. Beyond, the buffer is gone for
    /// the plugin (`NOT_FOUND`) until the next callback. Default 64 MiB.
    pub body_growth: usize,
    /// Number of properties that all plugins together may set. More is `BAD_ARGUMENT`. Default 64.
    pub properties: usize,
    /// Bytes of names and values of all properties that are set. More is `BAD_ARGUMENT`. Default 64 KiB.
    pub property_bytes: usize,
    /// Bytes of the response to a callout, and of one message of a gRPC stream. A larger response counts as none; a larger
    /// message ends the call with gRPC status 13. Default 16 MiB.
    pub callout_response: usize,
    /// Bytes of messages that wait to be sent on one gRPC stream, each counting for 64 more. A message that is too much for it is refused with
    /// `INTERNAL_FAILURE`. Default 16 MiB.
    pub grpc_send: usize,
    /// How long a plugin that returned false from `proxy_on_done` when it was no longer needed may stay with its VM without
    /// calling `proxy_done`. After that it is told `proxy_on_delete`, and a warning is logged. Default 60 s.
    pub linger: Duration,
    /// How many plugins may stay so on a thread. For one more, the one that has stayed longest goes as if its time had come.
    /// Default 16.
    pub lingering: usize,
    /// `:scheme` of requests whose URI has none: those of HTTP/1. True for `https`. Default false.
    pub tls: bool,
}

impl Default for ChainOptions {
    fn default() -> Self {
        ChainOptions {
            body_buffer: 1 << 20,
            body_growth: 64 << 20,
            properties: 64,
            property_bytes: 64 << 10,
            callout_response: 16 << 20,
            grpc_send: 16 << 20,
            linger: Duration::from_secs(60),
            lingering: 16,
            tls: false,
        }
    }
}
