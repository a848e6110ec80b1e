//! Sections "Buffers" and, for ABI 0.1.0, "Configuration".

use bytes::Bytes;
use enginebay_abi::{BufferType, Status};
use enginebay_engine::HostError;

use super::{Cx, Outcome, Stop, array, status};
use crate::StreamState;

#[inline]
pub(super) fn get_buffer_bytes<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [buffer, start, max_size, return_data, return_size] = *array(args)?;
    status(|| -> Outcome {
        let buffer = buffer_type(buffer)?;
        if let Some(configuration) = cx.state.configuration(buffer) {
            let bytes = configuration.bytes();
            let (start, len) = clamp(start, max_size, bytes.len());
            let part = &bytes[start..start + len];
            return cx.give(return_data, return_size, len, |_, out| {
                out.copy_from_slice(part);
                true
            });
        }
        let size = cx
            .state
            .with_buffer(buffer, |body| body.len())
            .ok_or(Status::NotFound)?;
        let (start, len) = clamp(start, max_size, size);
        cx.give(return_data, return_size, len, |state, out| {
            state
                .with_buffer(buffer, |body| body.read(start, out))
                .unwrap_or(false)
        })
    })
}

#[inline]
pub(super) fn get_buffer_status<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [buffer, return_size, return_unused] = *array(args)?;
    status(|| -> Outcome {
        let buffer = buffer_type(buffer)?;
        let size = match cx.state.configuration(buffer) {
            Some(configuration) => configuration.bytes().len(),
            None => cx
                .state
                .with_buffer(buffer, |body| body.len())
                .ok_or(Status::NotFound)?,
        };
        let mut memory = cx.memory();
        memory.write_word(return_size, size as u64)?;
        memory.write_u32(return_unused, 0)?;
        Ok(())
    })
}

#[inline]
pub(super) fn set_buffer_bytes<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [buffer, start, size, data, data_size] = *array(args)?;
    status(|| -> Outcome {
        let buffer = buffer_type(buffer)?;
        if cx.state.configuration(buffer).is_some() {
            // There, but not to be changed.
            return Err(Status::BadArgument.into());
        }
        let (start, size) = (saturate(start), saturate(size));
        // Known before the bytes are read, so that a buffer that isn't there costs no copy.
        let (len, new_len) = cx
            .state
            .with_buffer(buffer, |body| {
                (body.len(), body.len_after(start, size, saturate(data_size)))
            })
            .ok_or(Status::NotFound)?;
        // As on Envoy: what a callout brought can only be read.
        if matches!(
            buffer,
            BufferType::HttpCallResponseBody | BufferType::GrpcCallMessage
        ) {
            return Err(Status::BadArgument.into());
        }
        let limit = cx.state.limits.buffer;
        let memory = cx.memory();
        let value = memory.read(data, data_size)?;
        if new_len > len.max(limit) {
            return Err(Status::BadArgument.into());
        }
        let value = Bytes::copy_from_slice(value);
        cx.state
            .with_buffer(buffer, |body| body.replace(start, size, value));
        Ok(())
    })
}

/// ABI 0.1.0: the configuration that the current callback is about.
#[inline]
pub(super) fn get_configuration<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [return_data, return_size] = *array(args)?;
    status(|| -> Outcome {
        let buffer = match cx.state.starting.get() {
            true => BufferType::VmConfiguration,
            false => BufferType::PluginConfiguration,
        };
        let configuration = cx.state.configuration(buffer);
        let bytes = configuration
            .as_ref()
            .map_or(&[][..], |configuration| configuration.bytes());
        cx.give(return_data, return_size, bytes.len(), |_, out| {
            out.copy_from_slice(bytes);
            true
        })
    })
}

fn buffer_type(number: u64) -> Result<BufferType, Stop> {
    BufferType::from_u32(number as u32).ok_or_else(|| Status::BadArgument.into())
}

/// The part of a buffer that a guest gets: what it asked for, cut to what is there.
fn clamp(start: u64, max_size: u64, size: usize) -> (usize, usize) {
    // The largest number there is stands for "to the end" behind any start: with sizes of 32 bits as on Envoy, whose sum is
    // one of 64 bits, and for native plugins just the same.
    let end = saturate(start.saturating_add(max_size)).min(size);
    let start = saturate(start).min(size);
    (start, end - start)
}

fn saturate(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
