//! Proxy-Wasm as data.
//!
//! This crate holds what the Proxy-Wasm ABI *is*, and nothing that acts on it: no engine, no I/O.
//! Linking, capability checks, `inspect` and the conformance suite all read the same tables.
//!
//! | module | what it holds |
//! | --- | --- |
//! | [`version`] | the ABI versions and the marker exports that announce them |
//! | [`enums`], [`filter`], [`wasi`] | every number of the ABI under its name |
//! | [`param`] | parameter kinds, from which both the wasm and the native types follow |
//! | [`functions`] | the table of host functions: Proxy-Wasm, WASI preview 1, Emscripten |
//! | [`answers`] | who answers each of them, and what a guest can get back |
//! | [`callbacks`] | the table of exports a host calls, with their shape in each version |
//! | [`capabilities`] | which of all these a plugin may use |
//! | [`pairs`] | the codec for header maps |
//! | [`property`] | the codec for property paths |
//! | [`values`] | how property values are written |
//! | [`attributes`] | Envoy's attributes and their types |
//! | [`grpc_service`] | where a gRPC callout goes |
//!
//! The tables follow the Proxy-Wasm specification for names and contracts. Where Envoy links
//! something else than the specification says, the tables follow Envoy, because that is what
//! compiled plugins import; the row says so.
//!
//! ```
//! use enginebay_abi::{AbiVersion, Callback, functions};
//!
//! let def = functions::lookup("env", "proxy_log").unwrap();
//! assert_eq!(def.signature.to_string(), "(i32, i32, i32) -> i32");
//! assert!(def.versions.contains(AbiVersion::V0_1_0));
//!
//! let headers = Callback::ProxyOnRequestHeaders;
//! assert_eq!(headers.signature(AbiVersion::V0_1_0).unwrap().params.len(), 2);
//! assert_eq!(headers.signature(AbiVersion::V0_2_1).unwrap().params.len(), 3);
//! ```

#![forbid(unsafe_code)]

#[macro_use]
mod macros;

pub mod answers;
pub mod attributes;
pub mod callbacks;
pub mod capabilities;
pub mod enums;
pub mod filter;
pub mod functions;
pub mod grpc_service;
pub mod pairs;
pub mod param;
pub mod property;
pub mod stats;
pub mod values;
pub mod version;
pub mod wasi;

#[cfg(test)]
mod table_tests;

pub use answers::{Answer, AnsweredBy, Results};
pub use attributes::{AttributeType, attribute_type};
pub use callbacks::{Callback, Called, Integration, Shape};
pub use capabilities::AllowedCapabilities;
pub use enums::{
    BufferType, GrpcStatus, LogLevel, MapType, MetricType, PeerType, Status, StreamType, UnknownValue,
};
pub use filter::{Action, FilterDataStatus, FilterHeadersStatus, FilterMetadataStatus, FilterTrailersStatus};
pub use functions::{FunctionDef, HostFunction, Namespace, Phase};
pub use grpc_service::GrpcService;
pub use pairs::{Pairs, PairsError};
pub use param::Param;
pub use property::PropertyPath;
pub use stats::StatsUpdate;
pub use values::Value;
pub use version::{AbiVersion, VersionSet};
pub use wasi::{ClockId, WasiErrno};
