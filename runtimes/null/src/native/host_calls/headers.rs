//! Header maps and buffers.

use super::{HostCalls, Result, bytes, pairs};
use crate::host_functions::Function;
use crate::native::encoding::decode_pairs;
use crate::native::out::Out;
use crate::native::{Buffer, Map, Status};

impl HostCalls<'_> {
    /// The first value of a header.
    pub fn header(&self, map: Map, name: &[u8]) -> Result<Option<Vec<u8>>> {
        let [key, key_size] = bytes(name);
        let function = Function::proxy_get_header_map_value;
        match self.give(function, |data, size| [map as u64, key, key_size, data, size]) {
            Ok(value) => Ok(Some(value.unwrap_or_default())),
            Err(Status::NOT_FOUND) => Ok(None),
            Err(status) => Err(status),
        }
    }

    /// All headers of a map.
    pub fn headers(&self, map: Map) -> Result<Vec<(Vec<u8>, Vec<u8>)>> {
        let function = Function::proxy_get_header_map_pairs;
        let encoded = self.give(function, |data, size| [map as u64, data, size])?;
        decode_pairs(&encoded.unwrap_or_default()).ok_or(Status::PARSE_FAILURE)
    }

    /// Size of a map in bytes, as the host counts it.
    pub fn headers_size(&self, map: Map) -> Result<u64> {
        self.number(Function::proxy_get_header_map_size, |out| [map as u64, out])
    }

    /// Replaces all headers of a map.
    pub fn set_headers(&self, map: Map, headers: &[(&[u8], &[u8])]) -> Result<()> {
        let encoded = pairs(headers)?;
        let [data, size] = bytes(&encoded);
        self.run(Function::proxy_set_header_map_pairs, &[map as u64, data, size])
    }

    /// Adds a header.
    pub fn add_header(&self, map: Map, name: &[u8], value: &[u8]) -> Result<()> {
        let ([key, key_size], [data, size]) = (bytes(name), bytes(value));
        self.run(
            Function::proxy_add_header_map_value,
            &[map as u64, key, key_size, data, size],
        )
    }

    /// Sets a header, whatever it was.
    pub fn replace_header(&self, map: Map, name: &[u8], value: &[u8]) -> Result<()> {
        let ([key, key_size], [data, size]) = (bytes(name), bytes(value));
        self.run(
            Function::proxy_replace_header_map_value,
            &[map as u64, key, key_size, data, size],
        )
    }

    /// Removes a header.
    pub fn remove_header(&self, map: Map, name: &[u8]) -> Result<()> {
        let [key, key_size] = bytes(name);
        self.run(
            Function::proxy_remove_header_map_value,
            &[map as u64, key, key_size],
        )
    }

    /// At most `max_size` bytes of a buffer from `start`; empty where there is nothing.
    pub fn buffer(&self, buffer: Buffer, start: usize, max_size: usize) -> Result<Vec<u8>> {
        let function = Function::proxy_get_buffer_bytes;
        let args = |data, size| [buffer as u64, start as u64, max_size as u64, data, size];
        match self.give(function, args) {
            Ok(bytes) => Ok(bytes.unwrap_or_default()),
            Err(Status::NOT_FOUND) => Ok(Vec::new()),
            Err(status) => Err(status),
        }
    }

    /// Size of a buffer in bytes.
    pub fn buffer_size(&self, buffer: Buffer) -> Result<u64> {
        let unused = Out::<u32>::new();
        self.number(Function::proxy_get_buffer_status, |out| {
            [buffer as u64, out, unused.address()]
        })
    }

    /// Replaces `size` bytes of a buffer from `start`.
    pub fn set_buffer(&self, buffer: Buffer, start: usize, size: usize, value: &[u8]) -> Result<()> {
        let [data, data_size] = bytes(value);
        self.run(
            Function::proxy_set_buffer_bytes,
            &[buffer as u64, start as u64, size as u64, data, data_size],
        )
    }
}
