//! Section "gRPC calls".

use bytes::Bytes;
use enginebay_abi::{GrpcService, Status};
use enginebay_engine::HostError;

use super::http_calls::{NewCallout, header_map, milliseconds, text};
use super::{Cx, Outcome, Stop, array, status};
use crate::callouts::{CalloutKind, Entry, Pending};
use crate::{CalloutError, CalloutId, Callouts, GrpcTarget, HeaderMap, StreamState};

/// What Envoy says where the specification says "for unknown `upstream`".
const UNKNOWN_UPSTREAM: Status = Status::ParseFailure;

pub(super) fn grpc_call<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [
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
        timeout,
        return_id,
    ] = *array(args)?;
    status(|| -> Outcome {
        let limits = cx.state.limits.headers;
        let mut memory = cx.memory();
        memory.write_u32(return_id, 0)?;
        let upstream = memory.read(upstream, upstream_size)?;
        let service = memory.read(service, service_size)?;
        let method = memory.read(method, method_size)?;
        let metadata = memory.read(metadata, metadata_size)?;
        let message = Bytes::copy_from_slice(memory.read(message, message_size)?);
        let mut target = target(upstream, service, method, header_map(limits, metadata)?)?;
        target.timeout = milliseconds(timeout).or(target.timeout);
        let size = target.size() + message.len();
        let new = NewCallout {
            kind: CalloutKind::GrpcCall,
            size,
            return_id,
            unknown_upstream: UNKNOWN_UPSTREAM,
        };
        cx.start_callout(new, |callouts, id| callouts.grpc_call(id, target, message))
    })
}

pub(super) fn grpc_stream<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [
        upstream,
        upstream_size,
        service,
        service_size,
        method,
        method_size,
        metadata,
        metadata_size,
        return_id,
    ] = *array(args)?;
    status(|| -> Outcome {
        let limits = cx.state.limits.headers;
        let mut memory = cx.memory();
        memory.write_u32(return_id, 0)?;
        let upstream = memory.read(upstream, upstream_size)?;
        let service = memory.read(service, service_size)?;
        let method = memory.read(method, method_size)?;
        let metadata = memory.read(metadata, metadata_size)?;
        let target = target(upstream, service, method, header_map(limits, metadata)?)?;
        let new = NewCallout {
            kind: CalloutKind::GrpcStream,
            size: target.size(),
            return_id,
            unknown_upstream: UNKNOWN_UPSTREAM,
        };
        cx.start_callout(new, |callouts, id| callouts.grpc_stream(id, target))
    })
}

fn target(
    upstream: &[u8],
    service: &[u8],
    method: &[u8],
    mut initial_metadata: HeaderMap,
) -> Result<GrpcTarget, Stop> {
    let upstream = GrpcService::parse(upstream);
    for (name, value) in upstream.initial_metadata() {
        initial_metadata.add(name, value).map_err(Status::from)?;
    }
    Ok(GrpcTarget {
        upstream: String::from_utf8(upstream.cluster.to_vec()).map_err(|_| UNKNOWN_UPSTREAM)?,
        authority: upstream.authority.map(text).transpose()?,
        service: text(service)?,
        method: text(method)?,
        initial_metadata,
        timeout: upstream.timeout.filter(|timeout| !timeout.is_zero()),
    })
}

pub(super) fn grpc_send<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [id, message, message_size, end_of_stream] = *array(args)?;
    status(|| -> Outcome {
        let message = Bytes::copy_from_slice(cx.memory().read(message, message_size)?);
        let end_of_stream = end_of_stream as u32 != 0;
        let id = CalloutId(id as u32);
        if id.kind() != Some(CalloutKind::GrpcStream) {
            return Err(Status::BadArgument.into());
        }
        let closed = {
            let mut pending = cx.state.pending.borrow_mut();
            let entry = own(cx, &mut pending, id)?;
            entry.closed_here || entry.closed_there
        };
        // As on Envoy, a message for nobody is none.
        if closed {
            return Ok(());
        }
        let sent = callouts(cx)?.grpc_send(id, message, end_of_stream);
        sent.map_err(|_: CalloutError| Status::InternalFailure)?;
        // Not before: the end of a message that was lost is still to come.
        own(cx, &mut cx.state.pending.borrow_mut(), id)?.closed_here |= end_of_stream;
        Ok(())
    })
}

pub(super) fn grpc_cancel<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [id] = *array(args)?;
    status(|| break_off(cx, grpc_id(id)?))
}

pub(super) fn grpc_close<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [id] = *array(args)?;
    status(|| -> Outcome {
        let id = grpc_id(id)?;
        let goes_on = {
            let mut pending = cx.state.pending.borrow_mut();
            let entry = own(cx, &mut pending, id)?;
            let goes_on = id.kind() == Some(CalloutKind::GrpcStream) && !entry.closed_there;
            if goes_on && std::mem::replace(&mut entry.closed_here, true) {
                return Ok(());
            }
            goes_on
        };
        match goes_on {
            true => {
                callouts(cx)?.grpc_close(id);
                Ok(())
            }
            false => break_off(cx, id),
        }
    })
}

/// Ends a callout of the current context, which hears no more of it.
fn break_off<S: StreamState>(cx: &Cx<'_, S>, id: CalloutId) -> Outcome {
    let entry = *own(cx, &mut cx.state.pending.borrow_mut(), id)?;
    cx.state.forget_callout(id);
    if !entry.closed_there {
        callouts(cx)?.cancel(id);
    }
    Ok(())
}

fn grpc_id(id: u64) -> Result<CalloutId, Stop> {
    let id = CalloutId(id as u32);
    match id.kind() {
        Some(CalloutKind::GrpcCall | CalloutKind::GrpcStream) => Ok(id),
        Some(CalloutKind::HttpCall) | None => Err(Status::BadArgument.into()),
    }
}

/// A callout that is the current context's own.
fn own<'a, S: StreamState>(
    cx: &Cx<'_, S>,
    pending: &'a mut Pending,
    id: CalloutId,
) -> Result<&'a mut Entry, Stop> {
    let context = cx.state.context();
    pending
        .get_mut(id)
        .filter(|entry| entry.context == context)
        .ok_or_else(|| Status::NotFound.into())
}

/// There is somebody to send callouts wherever one is under way.
fn callouts<'a, S: StreamState>(cx: &Cx<'a, S>) -> Result<&'a dyn Callouts, Stop> {
    let state = cx.state;
    state
        .callouts
        .as_deref()
        .ok_or_else(|| Status::InternalFailure.into())
}

/// How the gRPC call that closed last did; its message can be read while `proxy_on_grpc_close` runs.
#[inline]
pub(super) fn get_status<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [return_code, return_message, return_message_size] = *array(args)?;
    status(|| -> Outcome {
        let state = cx.state;
        let (code, message) = {
            let status = state.grpc_status.borrow();
            (status.code, status.message.clone())
        };
        cx.memory().write_u32(return_code, code)?;
        cx.give(return_message, return_message_size, message.len(), |_, out| {
            out.copy_from_slice(&message);
            true
        })
    })
}
