//! Sections "HTTP streams" and "Stream" operations: going on, closing, answering.

use bytes::Bytes;
use enginebay_abi::{LogLevel, Status, StreamType, pairs};
use enginebay_engine::HostError;

use super::{Cx, Outcome, array, finish, status};
use crate::{HeaderMap, LocalResponse, StreamState};

#[inline]
pub(super) fn continue_request<S: StreamState>(cx: &mut Cx<'_, S>, _: &[u64]) -> Result<u64, HostError> {
    status(|| go_on(cx, StreamType::HttpRequest))
}

#[inline]
pub(super) fn continue_response<S: StreamState>(cx: &mut Cx<'_, S>, _: &[u64]) -> Result<u64, HostError> {
    status(|| go_on(cx, StreamType::HttpResponse))
}

#[inline]
pub(super) fn continue_stream<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [stream] = *array(args)?;
    status(|| -> Outcome {
        let stream = StreamType::from_u32(stream as u32).ok_or(Status::BadArgument)?;
        go_on(cx, stream)
    })
}

fn go_on<S: StreamState>(cx: &Cx<'_, S>, stream: StreamType) -> Outcome {
    let result = cx.state.with_stream(|state| state.continue_stream(stream));
    // A root context has no stream that waits. What Envoy says then.
    finish(result.unwrap_or(match stream {
        StreamType::Upstream => Status::Unimplemented,
        _ => Status::Ok,
    }))
}

#[inline]
pub(super) fn close_stream<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [stream] = *array(args)?;
    status(|| -> Outcome {
        let stream = StreamType::from_u32(stream as u32).ok_or(Status::BadArgument)?;
        let result = cx.state.with_stream(|state| state.close_stream(stream));
        // A root context has no stream to close.
        finish(result.unwrap_or(Status::Ok))
    })
}

#[inline]
pub(super) fn clear_route_cache<S: StreamState>(cx: &mut Cx<'_, S>, _: &[u64]) -> Result<u64, HostError> {
    let result = cx.state.with_stream(|state| state.clear_route_cache());
    status(|| finish(result.unwrap_or(Status::Ok)))
}

#[inline]
pub(super) fn send_local_response<S: StreamState>(
    cx: &mut Cx<'_, S>,
    args: &[u64],
) -> Result<u64, HostError> {
    let [
        code,
        details,
        details_size,
        body,
        body_size,
        headers,
        headers_size,
        grpc_status,
    ] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let memory = cx.memory();
        let details = memory.read(details, details_size)?;
        let body = memory.read(body, body_size)?;
        if body.len() > state.limits.local_response_body {
            return Err(Status::BadArgument.into());
        }
        // What a plugin refuses must not pass because of a bad header: the answer goes out without it, as on Envoy.
        let limits = state.limits.headers;
        let pairs = pairs::decode_with(memory.read(headers, headers_size)?, limits.pairs());
        let mut headers = HeaderMap::new();
        headers.set_limits(limits);
        let mut left_out = usize::from(pairs.is_err());
        for (name, value) in pairs.into_iter().flatten() {
            left_out += usize::from(headers.add(name, value).is_err());
        }
        if left_out > 0 {
            state.log(
                LogLevel::Warn,
                "proxy_send_local_response: headers that can't be sent were left out of the response",
            );
        }
        let response = LocalResponse {
            status: code as u32,
            details: details[..details.len().min(state.limits.local_response_details)].to_vec(),
            headers,
            body: Bytes::copy_from_slice(body),
            // The SDKs pass -1 for none.
            grpc_status: Some(grpc_status as u32).filter(|status| *status != u32::MAX),
        };
        let sent = state.with_stream(|stream| stream.send_local_response(response));
        // As on Envoy: SDKs take any status but OK for a crash.
        let Some(sent) = sent else {
            state.log(
                LogLevel::Warn,
                "proxy_send_local_response: there is no request to answer in this context",
            );
            return Ok(());
        };
        finish(sent)?;
        if state.context() == state.current.get() {
            state.stop_iteration.set(true);
        }
        Ok(())
    })
}
