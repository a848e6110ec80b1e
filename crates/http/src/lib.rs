//! Proxy-Wasm plugins as a [`tower`](https://docs.rs/tower) layer, over `http` and `http-body`, and on TCP connections.
//!
//! A [`FilterChain`] is an ordered list of plugins. On a runtime with one thread [`FilterChain::start`] gives a
//! [`LocalChain`], which wraps any service; on one with many threads [`Workers`] keep the VMs on threads of
//! their own, and [`WasmLayer`] wraps any service that is `Send`. Both run the same driver: the request passes
//! the plugins in order, the response in reverse order, bodies as they arrive.
//!
//! Plugins can also be access loggers of a chain ([`FilterChain::with_access_loggers`]): streams do not pass them, but
//! they are told of each when it is over. [`LocalChain::tcp`] runs the same plugins on a TCP connection: any two byte streams.
//!
//! What plugins call out for goes through the embedder's [`Upstreams`], and what they ask of a stream that its messages do not
//! tell, through its [`Attributes`]. Their ticks, queues and callouts run on the chain's thread.
//!
//! # What a plugin's failure does
//! A callback that fails never harms another plugin's VM, and is never an error of the service: the client gets
//! 503 (for gRPC: status 14), as [`FailurePolicy`](enginebay::FailurePolicy) says. A body whose head was sent
//! already ends with an error, which makes a server cut the stream.
//!
//! # Differences from Envoy
//! - Bodies are pulled, not pushed: while a plugin holds everything at the headers without buffering
//!   (`StopAllIterationAndWatermark`, which is also what a plain pause means), nothing is read from the client.
//! - A plugin that changes the length of a body and leaves `content-length` alone does not break the message:
//!   the header is left out if the change was seen before the head was sent, and else the body ends with an
//!   error as soon as it can't be as long as announced.
//! - `proxy_close_stream` before the response's head was sent is answered with 503, because a service must
//!   answer something.
//! - After `ContinueAndEndStream` the rest of the body is not read, and earlier plugins don't see it.
//! - Header lookups of `host` find nothing; plugins see `:authority`.

#![forbid(unsafe_code)]

mod attributes;
mod body;
mod bridge;
mod callouts;
mod chain;
mod connection;
mod context;
mod drive;
mod fields;
mod filtered;
mod grpc_stream;
mod handle;
mod lane;
mod local;
mod local_body;
mod message;
mod options;
mod properties;
mod reply;
mod source;
mod state;
mod tcp;
mod vms;
mod workers;

pub use attributes::{Attributes, StreamAttributes, StreamView};
pub use body::{Body, BoxError};
pub use bridge::{WasmLayer, WasmService};
pub use callouts::{LocalBoxBody, UpstreamFuture, Upstreams};
pub use chain::{FilterChain, LocalChain};
pub use connection::{ConnectionInfo, ConnectionState, ResponseDetails};
pub use grpc_stream::{GrpcEnd, GrpcStream};
pub use local::{LocalLayer, LocalService};
pub use local_body::LocalBody;
pub use options::ChainOptions;
pub use tcp::{TcpEnd, TcpUpstream};
pub use vms::{LocalVms, Observer, Reload, Resident, Usage};
pub use workers::Workers;
