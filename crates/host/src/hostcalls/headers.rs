//! Section "HTTP fields".

use enginebay_abi::{AbiVersion, MapType, Status, pairs};
use enginebay_engine::HostError;

use super::{Cx, Outcome, Stop, array, status};
use crate::headers::HeaderError;
use crate::{HeaderMap, StreamState};

#[inline]
pub(super) fn get_header_map_size<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [map, return_size] = *array(args)?;
    status(|| -> Outcome {
        let size = with_map(cx, map, |headers| headers.size())?;
        Ok(cx.memory().write_word(return_size, size as u64)?)
    })
}

#[inline]
pub(super) fn get_header_map_pairs<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [map, return_data, return_size] = *array(args)?;
    status(|| -> Outcome {
        let map = map_type(map)?;
        let len = cx.state.with_headers(map, |headers| match headers.is_empty() {
            true => 0,
            false => headers.encoded_len(),
        });
        // As on Envoy, a map that is not there reads as an empty one: SDKs take any status but OK for a crash.
        let len = len.unwrap_or(0);
        cx.give(return_data, return_size, len, |state, out| {
            state
                .with_headers(map, |headers| headers.encode_into(out))
                .unwrap_or(false)
        })
    })
}

#[inline]
pub(super) fn set_header_map_pairs<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [map, data, size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let map = map_type(map)?;
        let memory = cx.memory();
        let limits = state.limits.headers.pairs();
        let pairs = pairs::decode_with(memory.read(data, size)?, limits).map_err(|_| Status::BadArgument)?;
        let replaced = state.change_headers(map, |headers| headers.replace_all(pairs));
        added(replaced)
    })
}

#[inline]
pub(super) fn get_header_map_value<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [map, key, key_size, return_data, return_size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let map = map_type(map)?;
        let memory = cx.memory();
        let name = memory.read(key, key_size)?;
        let found = match state.with_headers(map, |headers| headers.find(name)) {
            Some(found) => found,
            // As on Envoy: an access log asks for what this stream may never have had.
            None if state.logging.get() => None,
            None => return Err(Status::BadArgument.into()),
        };
        match found {
            Some(value) => cx.give(return_data, return_size, value.len as usize, |state, out| {
                state
                    .with_headers(map, |headers| match headers.value_at(value) {
                        Some(bytes) if bytes.len() == out.len() => {
                            out.copy_from_slice(bytes);
                            true
                        }
                        _ => false,
                    })
                    .unwrap_or(false)
            }),
            // What Envoy does for plugins of the first version, which know no missing header.
            None if state.abi() == AbiVersion::V0_1_0 => cx.give(return_data, return_size, 0, |_, _| true),
            None => Err(Status::NotFound.into()),
        }
    })
}

#[inline]
pub(super) fn add_header_map_value<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    change(cx, args, |headers, name, value| headers.add(name, value))
}

#[inline]
pub(super) fn replace_header_map_value<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    change(cx, args, |headers, name, value| headers.set(name, value))
}

#[inline]
fn change<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
    change: impl FnOnce(&mut HeaderMap, &[u8], &[u8]) -> Result<(), HeaderError>,
) -> Result<u64, HostError> {
    let [map, key, key_size, value, value_size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let map = map_type(map)?;
        let memory = cx.memory();
        let name = memory.read(key, key_size)?;
        let value = memory.read(value, value_size)?;
        added(state.change_headers(map, |headers| change(headers, name, value)))
    })
}

#[inline]
pub(super) fn remove_header_map_value<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [map, key, key_size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let map = map_type(map)?;
        let memory = cx.memory();
        let name = memory.read(key, key_size)?;
        // A header that is not there is removed already, as on Envoy.
        state
            .change_headers(map, |headers| headers.remove(name))
            .ok_or(Status::BadArgument)?;
        Ok(())
    })
}

fn map_type(number: u64) -> Result<MapType, Stop> {
    MapType::from_u32(number as u32).ok_or_else(|| Status::BadArgument.into())
}

fn with_map<S: StreamState, R>(
    cx: &Cx<'_, S>,
    map: u64,
    f: impl FnOnce(&mut HeaderMap) -> R,
) -> Result<R, Stop> {
    let map = map_type(map)?;
    cx.state
        .with_headers(map, f)
        .ok_or_else(|| Status::BadArgument.into())
}

/// The end of a function that adds headers to a map that may not be there.
fn added(result: Option<Result<(), HeaderError>>) -> Outcome {
    match result {
        None => Err(Status::BadArgument.into()),
        Some(Ok(())) => Ok(()),
        Some(Err(error)) => Err(Status::from(error).into()),
    }
}
