//! Calls to other services and functions.

use std::time::Duration;

use super::{HostCalls, Result, bytes, millis, pairs};
use crate::host_functions::Function;
use crate::native::out::Out;

impl HostCalls<'_> {
    /// Sends an HTTP request; the number of the call.
    pub fn http_call(
        &self,
        upstream: &[u8],
        headers: &[(&[u8], &[u8])],
        body: &[u8],
        trailers: &[(&[u8], &[u8])],
        timeout: Duration,
    ) -> Result<u32> {
        let (headers, trailers) = (pairs(headers)?, pairs(trailers)?);
        let ([upstream, upstream_size], [body, body_size]) = (bytes(upstream), bytes(body));
        let ([headers, headers_size], [trailers, trailers_size]) = (bytes(&headers), bytes(&trailers));
        self.number(Function::proxy_http_call, |out| {
            [
                upstream,
                upstream_size,
                headers,
                headers_size,
                body,
                body_size,
                trailers,
                trailers_size,
                millis(timeout),
                out,
            ]
        })
    }

    /// Sends a gRPC message and waits for one; the number of the call.
    pub fn grpc_call(
        &self,
        upstream: &[u8],
        service: &str,
        method: &str,
        metadata: &[(&[u8], &[u8])],
        message: &[u8],
        timeout: Duration,
    ) -> Result<u32> {
        let metadata = pairs(metadata)?;
        let [upstream, upstream_size] = bytes(upstream);
        let ([service, service_size], [method, method_size]) =
            (bytes(service.as_bytes()), bytes(method.as_bytes()));
        let ([metadata, metadata_size], [message, message_size]) = (bytes(&metadata), bytes(message));
        self.number(Function::proxy_grpc_call, |out| {
            [
                upstream,
                upstream_size,
                service,
                service_size,
                method,
                method_size,
                metadata,
                metadata_size,
                message,
                message_size,
                millis(timeout),
                out,
            ]
        })
    }

    /// Opens a gRPC stream; its number.
    pub fn grpc_stream(
        &self,
        upstream: &[u8],
        service: &str,
        method: &str,
        metadata: &[(&[u8], &[u8])],
    ) -> Result<u32> {
        let metadata = pairs(metadata)?;
        let [upstream, upstream_size] = bytes(upstream);
        let ([service, service_size], [method, method_size]) =
            (bytes(service.as_bytes()), bytes(method.as_bytes()));
        let [metadata, metadata_size] = bytes(&metadata);
        self.number(Function::proxy_grpc_stream, |out| {
            [
                upstream,
                upstream_size,
                service,
                service_size,
                method,
                method_size,
                metadata,
                metadata_size,
                out,
            ]
        })
    }

    /// Sends a message on a gRPC stream.
    pub fn grpc_send(&self, stream: u32, message: &[u8], end_of_stream: bool) -> Result<()> {
        let [data, size] = bytes(message);
        self.run(
            Function::proxy_grpc_send,
            &[u64::from(stream), data, size, u64::from(end_of_stream)],
        )
    }

    /// Cancels a gRPC call or resets a stream.
    pub fn grpc_cancel(&self, call: u32) -> Result<()> {
        self.run(Function::proxy_grpc_cancel, &[u64::from(call)])
    }

    /// Closes a gRPC call or stream.
    pub fn grpc_close(&self, call: u32) -> Result<()> {
        self.run(Function::proxy_grpc_close, &[u64::from(call)])
    }

    /// Status and message of the last call.
    pub fn call_status(&self) -> Result<(u32, Vec<u8>)> {
        let code = Out::<u32>::new();
        let message = self.give(Function::proxy_get_status, |data, size| {
            [code.address(), data, size]
        })?;
        Ok((code.get(), message.unwrap_or_default()))
    }

    /// Calls a function of the host by name.
    pub fn call_foreign_function(&self, name: &str, arguments: &[u8]) -> Result<Vec<u8>> {
        let ([name, name_size], [arguments, arguments_size]) = (bytes(name.as_bytes()), bytes(arguments));
        let results = self.give(Function::proxy_call_foreign_function, |data, size| {
            [name, name_size, arguments, arguments_size, data, size]
        })?;
        Ok(results.unwrap_or_default())
    }
}
