//! Streams and properties.

use super::{HostCalls, Result, bytes, pairs};
use crate::host_functions::Function;
use crate::native::encoding::encode_path;
use crate::native::{Status, Stream};

impl HostCalls<'_> {
    /// The value of a property.
    pub fn property(&self, path: &[&str]) -> Result<Option<Vec<u8>>> {
        let path = encode_path(path);
        let [key, key_size] = bytes(&path);
        let function = Function::proxy_get_property;
        match self.give(function, |data, size| [key, key_size, data, size]) {
            Ok(value) => Ok(Some(value.unwrap_or_default())),
            Err(Status::NOT_FOUND) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// Sets a property.
    pub fn set_property(&self, path: &[&str], value: &[u8]) -> Result<()> {
        let path = encode_path(path);
        let ([key, key_size], [data, size]) = (bytes(&path), bytes(value));
        self.run(Function::proxy_set_property, &[key, key_size, data, size])
    }

    /// Answers in place of the upstream. `grpc_status` is for gRPC streams.
    pub fn send_local_response(
        &self,
        status: u32,
        details: &[u8],
        headers: &[(&[u8], &[u8])],
        body: &[u8],
        grpc_status: Option<u32>,
    ) -> Result<()> {
        let encoded = pairs(headers)?;
        let ([details, details_size], [body, body_size]) = (bytes(details), bytes(body));
        let [headers, headers_size] = bytes(&encoded);
        // -1 is none.
        let grpc_status = u64::from(grpc_status.unwrap_or(u32::MAX));
        self.run(
            Function::proxy_send_local_response,
            &[
                u64::from(status),
                details,
                details_size,
                body,
                body_size,
                headers,
                headers_size,
                grpc_status,
            ],
        )
    }

    /// Resumes a stream that a callback paused.
    pub fn continue_stream(&self, stream: Stream) -> Result<()> {
        self.run(Function::proxy_continue_stream, &[stream as u64])
    }

    /// Closes or resets a stream.
    pub fn close_stream(&self, stream: Stream) -> Result<()> {
        self.run(Function::proxy_close_stream, &[stream as u64])
    }
}
