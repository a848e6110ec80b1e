//! The table of exports that a host calls.
//!
//! [`Callback`] holds the `proxy_*` entry points, all of them optional for a plugin.
//! [`Integration`] holds what starts a module and what allocates in it.
//! Both are dense from 0, so a host can keep an array by [`Callback::index`].

use std::fmt;

use enginebay_engine::Signature;

use crate::param::{Param, params, signature};
use crate::version::{AbiVersion, VersionSet};

/// The parameters and the result of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// The names of the parameters, in order.
    pub param_names: &'static [&'static str],
    /// The kinds of the parameters, in order.
    pub params: &'static [Param],
    /// The kind of the result, if any.
    pub result: Option<Param>,
    /// The same as a wasm signature.
    pub signature: Signature,
}

/// A shape from one list of parameters.
macro_rules! shape {
    (($($param:ident: $kind:ident),*) -> $result:ident) => {
        Shape {
            param_names: &[$(stringify!($param)),*],
            params: params!($($kind),*),
            result: Some(Param::$result),
            signature: signature!(($($kind),*) -> $result),
        }
    };
    (($($param:ident: $kind:ident),*)) => {
        Shape {
            param_names: &[$(stringify!($param)),*],
            params: params!($($kind),*),
            result: None,
            signature: signature!(($($kind),*)),
        }
    };
}

/// Defines an enum of exports: name, and one shape for each set of versions.
macro_rules! exports {
    (
        $(#[$meta:meta])*
        pub enum $enum:ident {
            $(
                $(#[$vmeta:meta])*
                $variant:ident = $name:literal {
                    $($versions:ident: ($($param:ident: $kind:ident),*) $(-> $result:ident)?;)+
                }
            )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u8)]
        pub enum $enum {
            $(#[doc = concat!("`", $name, "`: ")] $(#[$vmeta])* $variant,)+
        }

        impl $enum {
            /// Every one of them, in the order of [`index`](Self::index).
            pub const ALL: &'static [$enum] = &[$($enum::$variant,)+];

            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The name of the export.
            pub const fn name(self) -> &'static str {
                match self {
                    $($enum::$variant => $name,)+
                }
            }

            /// The shape in each version that has this export.
            pub const fn shapes(self) -> &'static [(VersionSet, Shape)] {
                match self {
                    $($enum::$variant => const {
                        &[$((VersionSet::$versions, shape!(($($param: $kind),*) $(-> $result)?)),)+]
                    },)+
                }
            }

            /// The shape in a version, or `None` if a host doesn't call it there.
            pub fn shape(self, version: AbiVersion) -> Option<&'static Shape> {
                self.shapes()
                    .iter()
                    .find(|(versions, _)| versions.contains(version))
                    .map(|(_, shape)| shape)
            }

            /// The wasm signature in a version, or `None` if a host doesn't call it there.
            pub fn signature(self, version: AbiVersion) -> Option<Signature> {
                self.shape(version).map(|shape| shape.signature)
            }

            /// The one with this name.
            pub fn from_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|export| export.name() == name)
            }

            /// A dense number from 0, below [`COUNT`](Self::COUNT).
            #[inline]
            pub const fn index(self) -> usize {
                self as usize
            }
        }

        impl fmt::Display for $enum {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.name())
            }
        }
    };
}

exports! {
    /// An entry point of a plugin. All are optional.
    ///
    /// The name is also the name of the capability that allows it.
    pub enum Callback {
        /// a context comes to be; a root context if the parent is 0.
        ProxyOnContextCreate = "proxy_on_context_create" {
            ALL: (context_id: U32, parent_context_id: U32);
        }
        /// the VM starts, with its configuration. False refuses.
        ProxyOnVmStart = "proxy_on_vm_start" {
            ALL: (plugin_context_id: U32, vm_configuration_size: Size) -> Bool;
        }
        /// the plugin is checked before it is used. In no specification, but Envoy calls it.
        ProxyValidateConfiguration = "proxy_validate_configuration" {
            ALL: (plugin_context_id: U32, plugin_configuration_size: Size) -> Bool;
        }
        /// the plugin starts, with its configuration. False refuses.
        ProxyOnConfigure = "proxy_on_configure" {
            ALL: (plugin_context_id: U32, plugin_configuration_size: Size) -> Bool;
        }
        /// the timer of a root context.
        ProxyOnTick = "proxy_on_tick" {
            ALL: (plugin_context_id: U32);
        }
        /// something is in a queue that this root context registered.
        ProxyOnQueueReady = "proxy_on_queue_ready" {
            ALL: (plugin_context_id: U32, queue_id: U32);
        }
        /// the host calls a function of the plugin by number.
        ProxyOnForeignFunction = "proxy_on_foreign_function" {
            V0_2: (plugin_context_id: U32, function_id: U32, arguments_size: Size);
        }
        /// a TCP connection is there.
        ProxyOnNewConnection = "proxy_on_new_connection" {
            ALL: (stream_context_id: U32) -> U32;
        }
        /// bytes from the client of a TCP stream.
        ProxyOnDownstreamData = "proxy_on_downstream_data" {
            ALL: (stream_context_id: U32, data_size: Size, end_of_stream: Bool) -> U32;
        }
        /// bytes from the server of a TCP stream.
        ProxyOnUpstreamData = "proxy_on_upstream_data" {
            ALL: (stream_context_id: U32, data_size: Size, end_of_stream: Bool) -> U32;
        }
        /// the client's side of a TCP stream is closed.
        ProxyOnDownstreamConnectionClose = "proxy_on_downstream_connection_close" {
            ALL: (stream_context_id: U32, peer_type: U32);
        }
        /// the server's side of a TCP stream is closed.
        ProxyOnUpstreamConnectionClose = "proxy_on_upstream_connection_close" {
            ALL: (stream_context_id: U32, peer_type: U32);
        }
        /// headers of a request. 0.1.0 doesn't say whether the stream ends with them.
        ProxyOnRequestHeaders = "proxy_on_request_headers" {
            V0_1: (stream_context_id: U32, num_headers: Size) -> U32;
            V0_2: (stream_context_id: U32, num_headers: Size, end_of_stream: Bool) -> U32;
        }
        /// a part of the body of a request, or all that is buffered.
        ProxyOnRequestBody = "proxy_on_request_body" {
            ALL: (stream_context_id: U32, body_size: Size, end_of_stream: Bool) -> U32;
        }
        /// trailers of a request.
        ProxyOnRequestTrailers = "proxy_on_request_trailers" {
            ALL: (stream_context_id: U32, num_trailers: Size) -> U32;
        }
        /// HTTP/2 metadata of a request. In no specification, but Envoy calls it.
        ProxyOnRequestMetadata = "proxy_on_request_metadata" {
            ALL: (stream_context_id: U32, num_elements: Size) -> U32;
        }
        /// headers of a response. 0.1.0 doesn't say whether the stream ends with them.
        ProxyOnResponseHeaders = "proxy_on_response_headers" {
            V0_1: (stream_context_id: U32, num_headers: Size) -> U32;
            V0_2: (stream_context_id: U32, num_headers: Size, end_of_stream: Bool) -> U32;
        }
        /// a part of the body of a response, or all that is buffered.
        ProxyOnResponseBody = "proxy_on_response_body" {
            ALL: (stream_context_id: U32, body_size: Size, end_of_stream: Bool) -> U32;
        }
        /// trailers of a response.
        ProxyOnResponseTrailers = "proxy_on_response_trailers" {
            ALL: (stream_context_id: U32, num_trailers: Size) -> U32;
        }
        /// HTTP/2 metadata of a response. In no specification, but Envoy calls it.
        ProxyOnResponseMetadata = "proxy_on_response_metadata" {
            ALL: (stream_context_id: U32, num_elements: Size) -> U32;
        }
        /// the response to `proxy_http_call`; no headers if the call failed.
        ProxyOnHttpCallResponse = "proxy_on_http_call_response" {
            ALL: (
                plugin_context_id: U32,
                call_id: U32,
                num_headers: Size,
                body_size: Size,
                num_trailers: Size
            );
        }
        /// initial metadata of a gRPC call.
        ProxyOnGrpcReceiveInitialMetadata = "proxy_on_grpc_receive_initial_metadata" {
            ALL: (plugin_context_id: U32, call_id: U32, num_elements: Size);
        }
        /// a message of a gRPC call.
        ProxyOnGrpcReceive = "proxy_on_grpc_receive" {
            ALL: (plugin_context_id: U32, call_id: U32, message_size: Size);
        }
        /// trailing metadata of a gRPC call.
        ProxyOnGrpcReceiveTrailingMetadata = "proxy_on_grpc_receive_trailing_metadata" {
            ALL: (plugin_context_id: U32, call_id: U32, num_elements: Size);
        }
        /// the end of a gRPC call.
        ProxyOnGrpcClose = "proxy_on_grpc_close" {
            ALL: (plugin_context_id: U32, call_id: U32, status_code: U32);
        }
        /// the host is done with a context. False means the guest will call `proxy_done`.
        ProxyOnDone = "proxy_on_done" {
            ALL: (context_id: U32) -> Bool;
        }
        /// the moment to write access logs.
        ProxyOnLog = "proxy_on_log" {
            ALL: (context_id: U32);
        }
        /// a context is gone.
        ProxyOnDelete = "proxy_on_delete" {
            ALL: (context_id: U32);
        }
        /// the host tells of its counters and gauges: see [`stats`](crate::stats). In no specification, but Envoy calls it.
        EnvoyOnStatsUpdate = "envoy_on_stats_update" {
            ALL: (plugin_context_id: U32, stats_size: Size);
        }
    }
}

/// Who calls a callback, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Called {
    /// The part of enginebay that calls it; `None` where no part does.
    pub by: Option<&'static str>,
    /// The moment.
    pub when: &'static str,
}

impl Callback {
    /// Who calls it, and when.
    pub const fn called(self) -> Called {
        let (by, when) = match self {
            Callback::ProxyOnContextCreate => ("host", "before anything else of a plugin or a stream"),
            Callback::ProxyOnVmStart => ("host", "when a plugin starts, before its configuration"),
            Callback::ProxyValidateConfiguration => ("", "never: for hosts that validate without running"),
            Callback::ProxyOnConfigure => ("host", "when a plugin starts"),
            Callback::ProxyOnTick => ("filter chain", "every period that the plugin has set"),
            Callback::ProxyOnQueueReady => (
                "filter chain",
                "once for each item of a queue that the plugin registered last",
            ),
            Callback::ProxyOnForeignFunction => ("embedder", "when a foreign function of its own calls back"),
            Callback::ProxyOnNewConnection => ("filter chain", "when a client connects"),
            Callback::ProxyOnDownstreamData => ("filter chain", "for bytes from the client"),
            Callback::ProxyOnUpstreamData => ("filter chain", "for bytes from the server"),
            Callback::ProxyOnDownstreamConnectionClose => {
                ("filter chain", "when the client's side is closed")
            }
            Callback::ProxyOnUpstreamConnectionClose => ("filter chain", "when the server's side is closed"),
            Callback::ProxyOnRequestHeaders => ("filter chain", "for the head of a request"),
            Callback::ProxyOnRequestBody => {
                ("filter chain", "for each part of the body, also while it is held")
            }
            Callback::ProxyOnRequestTrailers => {
                ("filter chain", "for the trailers of a request, if there are any")
            }
            Callback::ProxyOnRequestMetadata => (
                "embedder",
                "for HTTP/2 metadata, which the filter chain does not see",
            ),
            Callback::ProxyOnResponseHeaders => (
                "filter chain",
                "for the head of a response, also of one that a plugin sends to a request",
            ),
            Callback::ProxyOnResponseBody => {
                ("filter chain", "for each part of the body, also while it is held")
            }
            Callback::ProxyOnResponseTrailers => {
                ("filter chain", "for the trailers of a response, if there are any")
            }
            Callback::ProxyOnResponseMetadata => (
                "embedder",
                "for HTTP/2 metadata, which the filter chain does not see",
            ),
            Callback::ProxyOnHttpCallResponse => (
                "filter chain",
                "for the response to `proxy_http_call`, or its failure",
            ),
            Callback::ProxyOnGrpcReceiveInitialMetadata => ("filter chain", "for the head of a response"),
            Callback::ProxyOnGrpcReceive => ("filter chain", "for each message"),
            Callback::ProxyOnGrpcReceiveTrailingMetadata => {
                ("filter chain", "for the trailers of a response")
            }
            Callback::ProxyOnGrpcClose => ("filter chain", "when a call or stream is over"),
            Callback::ProxyOnDone => (
                "filter chain",
                "when a stream is over, or a plugin is no longer needed",
            ),
            Callback::ProxyOnLog => ("filter chain", "when a stream is over, before `proxy_on_done`"),
            Callback::ProxyOnDelete => ("host", "when a context goes"),
            Callback::EnvoyOnStatsUpdate => (
                "embedder",
                "when a stats sink is told of counters and gauges: the server's, every `stats_flush_interval`",
            ),
        };
        let by = match by.is_empty() {
            true => None,
            false => Some(by),
        };
        Called { by, when }
    }
}

exports! {
    /// An export that starts a module or allocates in it (sections "Integration" and
    /// "Memory management"). These are no capabilities: a host never denies them.
    pub enum Integration {
        /// starts a WASI reactor.
        Initialize = "_initialize" {
            ALL: ();
        }
        /// called with zeros after `_initialize`, and only then.
        Main = "main" {
            ALL: (argc: U32, argv: Ptr) -> U32;
        }
        /// starts a WASI command; called only if there is no `_initialize`.
        Start = "_start" {
            ALL: ();
        }
        /// the allocator. 0 is a failure.
        ProxyOnMemoryAllocate = "proxy_on_memory_allocate" {
            ALL: (memory_size: Size) -> Ptr;
        }
        /// the older name of the allocator.
        Malloc = "malloc" {
            ALL: (memory_size: Size) -> Ptr;
        }
    }
}
