//! The numbered types of Proxy-Wasm (section "Types").

/// A number that no value of an ABI enum has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{value} is not a {kind}")]
pub struct UnknownValue {
    /// The enum that was asked for.
    pub kind: &'static str,
    /// The number.
    pub value: u32,
}

wire_enum! {
    /// What a host function returns: `proxy_status_t`.
    ///
    /// The specification lists only the numbers a host uses today; 5, 9 and 11 are from the C++
    /// SDK, which defines them too.
    pub enum Status {
        /// Done.
        Ok = 0, "OK";
        /// There is no such key, queue, metric, buffer or property.
        NotFound = 1, "NOT_FOUND";
        /// An argument is outside its range, or what it names can't be used now.
        BadArgument = 2, "BAD_ARGUMENT";
        /// A value can't be written in the form a guest reads.
        SerializationFailure = 3, "SERIALIZATION_FAILURE";
        /// Bytes of the guest can't be read; also an unknown upstream in gRPC calls.
        ParseFailure = 4, "PARSE_FAILURE";
        /// An expression is malformed. Not in the specification.
        BadExpression = 5, "BAD_EXPRESSION";
        /// An address or a length is outside the guest's memory, or its allocator gave none.
        InvalidMemoryAccess = 6, "INVALID_MEMORY_ACCESS";
        /// The queue holds nothing.
        Empty = 7, "EMPTY";
        /// The value was changed by somebody else in the meantime.
        CasMismatch = 8, "CAS_MISMATCH";
        /// A result has an unexpected form. Not in the specification.
        ResultMismatch = 9, "RESULT_MISMATCH";
        /// The host failed, or the capability is denied to this plugin.
        InternalFailure = 10, "INTERNAL_FAILURE";
        /// The connection or stream is gone. Not in the specification.
        BrokenConnection = 11, "BROKEN_CONNECTION";
        /// This host doesn't do that.
        Unimplemented = 12, "UNIMPLEMENTED";
    }
}

wire_enum! {
    /// How important a log message is: `proxy_log_level_t`.
    pub enum LogLevel {
        /// Finest detail.
        Trace = 0, "TRACE";
        /// For debugging.
        Debug = 1, "DEBUG";
        /// Normal operation; also a guest's standard output.
        Info = 2, "INFO";
        /// Something is odd.
        Warn = 3, "WARN";
        /// Something failed; also a guest's standard error.
        Error = 4, "ERROR";
        /// The plugin can't go on.
        Critical = 5, "CRITICAL";
    }
}

wire_enum! {
    /// A buffer that a guest can read or change: `proxy_buffer_type_t`.
    pub enum BufferType {
        /// The body of the request.
        HttpRequestBody = 0, "HTTP_REQUEST_BODY";
        /// The body of the response.
        HttpResponseBody = 1, "HTTP_RESPONSE_BODY";
        /// Bytes from the client of a TCP stream.
        DownstreamData = 2, "DOWNSTREAM_DATA";
        /// Bytes from the server of a TCP stream.
        UpstreamData = 3, "UPSTREAM_DATA";
        /// The body of the response to `proxy_http_call`.
        HttpCallResponseBody = 4, "HTTP_CALL_RESPONSE_BODY";
        /// The message received in a gRPC call.
        GrpcCallMessage = 5, "GRPC_CALL_MESSAGE";
        /// The configuration of the VM.
        VmConfiguration = 6, "VM_CONFIGURATION";
        /// The configuration of the plugin.
        PluginConfiguration = 7, "PLUGIN_CONFIGURATION";
        /// The arguments of `proxy_on_foreign_function`.
        ForeignFunctionArguments = 8, "FOREIGN_FUNCTION_ARGUMENTS";
    }
}

wire_enum! {
    /// A header map that a guest can read or change: `proxy_map_type_t`.
    pub enum MapType {
        /// Headers of the request.
        HttpRequestHeaders = 0, "HTTP_REQUEST_HEADERS";
        /// Trailers of the request.
        HttpRequestTrailers = 1, "HTTP_REQUEST_TRAILERS";
        /// Headers of the response.
        HttpResponseHeaders = 2, "HTTP_RESPONSE_HEADERS";
        /// Trailers of the response.
        HttpResponseTrailers = 3, "HTTP_RESPONSE_TRAILERS";
        /// Initial metadata of a gRPC call.
        GrpcCallInitialMetadata = 4, "GRPC_CALL_INITIAL_METADATA";
        /// Trailing metadata of a gRPC call.
        GrpcCallTrailingMetadata = 5, "GRPC_CALL_TRAILING_METADATA";
        /// Headers of the response to `proxy_http_call`.
        HttpCallResponseHeaders = 6, "HTTP_CALL_RESPONSE_HEADERS";
        /// Trailers of the response to `proxy_http_call`.
        HttpCallResponseTrailers = 7, "HTTP_CALL_RESPONSE_TRAILERS";
    }
}

wire_enum! {
    /// What can be resumed or closed: `proxy_stream_type_t`.
    pub enum StreamType {
        /// The request of an HTTP stream.
        HttpRequest = 0, "HTTP_REQUEST";
        /// The response of an HTTP stream.
        HttpResponse = 1, "HTTP_RESPONSE";
        /// The client's side of a TCP stream.
        Downstream = 2, "DOWNSTREAM";
        /// The server's side of a TCP stream.
        Upstream = 3, "UPSTREAM";
    }
}

wire_enum! {
    /// Who closed a connection: `proxy_peer_type_t`.
    pub enum PeerType {
        /// Not known.
        Unknown = 0, "UNKNOWN";
        /// The proxy.
        Local = 1, "LOCAL";
        /// The peer.
        Remote = 2, "REMOTE";
    }
}

wire_enum! {
    /// The type of a metric: `proxy_metric_type_t`.
    pub enum MetricType {
        /// Only goes up.
        Counter = 0, "COUNTER";
        /// Goes up and down.
        Gauge = 1, "GAUGE";
        /// Collects samples.
        Histogram = 2, "HISTOGRAM";
    }
}

wire_enum! {
    /// The status of a gRPC call, as gRPC numbers it.
    ///
    /// A guest that means "no gRPC status" in `proxy_send_local_response` passes −1, which is no
    /// value of this enum.
    pub enum GrpcStatus {
        /// Done.
        Ok = 0, "OK";
        /// Cancelled by the caller.
        Cancelled = 1, "CANCELLED";
        /// Not known.
        Unknown = 2, "UNKNOWN";
        /// The caller passed something invalid.
        InvalidArgument = 3, "INVALID_ARGUMENT";
        /// Too late.
        DeadlineExceeded = 4, "DEADLINE_EXCEEDED";
        /// Not there.
        NotFound = 5, "NOT_FOUND";
        /// Already there.
        AlreadyExists = 6, "ALREADY_EXISTS";
        /// Not allowed to this caller.
        PermissionDenied = 7, "PERMISSION_DENIED";
        /// A quota is used up.
        ResourceExhausted = 8, "RESOURCE_EXHAUSTED";
        /// The system is not in the state the call needs.
        FailedPrecondition = 9, "FAILED_PRECONDITION";
        /// Aborted by a conflict.
        Aborted = 10, "ABORTED";
        /// Past the valid range.
        OutOfRange = 11, "OUT_OF_RANGE";
        /// The server doesn't do that.
        Unimplemented = 12, "UNIMPLEMENTED";
        /// The server failed.
        Internal = 13, "INTERNAL";
        /// The server can't be reached now.
        Unavailable = 14, "UNAVAILABLE";
        /// Data is lost.
        DataLoss = 15, "DATA_LOSS";
        /// The caller is not known.
        Unauthenticated = 16, "UNAUTHENTICATED";
    }
}

impl GrpcStatus {
    /// The status that stands for an HTTP status, as the gRPC documentation maps them: success has none.
    #[must_use]
    pub const fn from_http(status: u32) -> Self {
        match status {
            400 => GrpcStatus::Internal,
            401 => GrpcStatus::Unauthenticated,
            403 => GrpcStatus::PermissionDenied,
            404 => GrpcStatus::Unimplemented,
            429 | 502..=504 => GrpcStatus::Unavailable,
            _ => GrpcStatus::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        assert_eq!(Status::from_u32(6), Some(Status::InvalidMemoryAccess));
        assert_eq!(Status::CasMismatch.as_u32(), 8);
        assert_eq!(Status::InternalFailure.as_u32(), 10);
        assert_eq!(Status::Unimplemented.name(), "UNIMPLEMENTED");
        assert_eq!(LogLevel::Critical.as_u32(), 5);
        assert_eq!(BufferType::PluginConfiguration.as_u32(), 7);
        assert_eq!(MapType::HttpCallResponseTrailers.as_u32(), 7);
        assert_eq!(StreamType::Upstream.as_u32(), 3);
        assert_eq!(PeerType::Remote.as_u32(), 2);
        assert_eq!(MetricType::Histogram.as_u32(), 2);
        assert_eq!(GrpcStatus::Unavailable.as_u32(), 14);
    }

    #[test]
    fn grpc_statuses_for_http() {
        let given = [200, 400, 401, 403, 404, 429, 500, 501, 502, 503, 504, 505];
        let expected = [2, 13, 16, 7, 12, 14, 2, 2, 14, 14, 14, 2];
        assert_eq!(
            given.map(|status| GrpcStatus::from_http(status).as_u32()),
            expected
        );
    }

    #[test]
    fn numbers_are_dense() {
        fn check<T: TryFrom<u32> + Into<u32> + Copy>(all: &[T]) {
            for (i, value) in all.iter().enumerate() {
                assert_eq!((*value).into() as usize, i);
            }
            assert!(T::try_from(all.len() as u32).is_err());
            assert!(T::try_from(u32::MAX).is_err());
        }
        check(Status::ALL);
        check(LogLevel::ALL);
        check(BufferType::ALL);
        check(MapType::ALL);
        check(StreamType::ALL);
        check(PeerType::ALL);
        check(MetricType::ALL);
        check(GrpcStatus::ALL);
        check(crate::WasiErrno::ALL);
        check(crate::ClockId::ALL);
        check(crate::Action::ALL);
        check(crate::FilterHeadersStatus::ALL);
        check(crate::FilterDataStatus::ALL);
        check(crate::FilterTrailersStatus::ALL);
        check(crate::FilterMetadataStatus::ALL);
    }

    #[test]
    fn unknown_numbers_say_what_they_are_not() {
        let error = MapType::try_from(8).unwrap_err();
        assert_eq!(error.to_string(), "8 is not a MapType");
    }
}
