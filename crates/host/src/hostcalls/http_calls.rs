//! Section "HTTP calls".

use std::time::Duration;

use bytes::Bytes;
use enginebay_abi::{Status, pairs};
use enginebay_engine::HostError;

use super::{Cx, Outcome, Stop, array, status};
use crate::callouts::CalloutKind;
use crate::{CalloutError, CalloutId, Callouts, HeaderLimits, HeaderMap, HttpCall, StreamState};

pub(super) fn http_call<S: StreamState>(cx: &mut Cx<'_, S>, args: &[u64]) -> Result<u64, HostError> {
    let [
        upstream,
        upstream_size,
        headers,
        headers_size,
        body,
        body_size,
        trailers,
        trailers_size,
        timeout,
        return_id,
    ] = *array(args)?;
    status(|| -> Outcome {
        let limits = cx.state.limits.headers;
        let mut memory = cx.memory();
        memory.write_u32(return_id, 0)?;
        let upstream = memory.read(upstream, upstream_size)?;
        let headers = memory.read(headers, headers_size)?;
        let body = memory.read(body, body_size)?;
        let trailers = memory.read(trailers, trailers_size)?;
        let call = HttpCall {
            upstream: text(upstream)?,
            headers: header_map(limits, headers)?,
            body: Bytes::copy_from_slice(body),
            trailers: header_map(limits, trailers)?,
            timeout: milliseconds(timeout),
        };
        let required = [":method", ":path", ":authority"];
        if required.iter().any(|name| call.headers.get(name).is_none()) {
            return Err(Status::BadArgument.into());
        }
        let new = NewCallout {
            kind: CalloutKind::HttpCall,
            size: call.size(),
            return_id,
            unknown_upstream: Status::BadArgument,
        };
        cx.start_callout(new, |callouts, id| callouts.http_call(id, call))
    })
}

/// A callout that is to be started.
pub(super) struct NewCallout {
    pub(super) kind: CalloutKind,
    /// Bytes of it.
    pub(super) size: usize,
    /// Where the guest wants its number.
    pub(super) return_id: u64,
    /// What the guest gets where there is no such upstream.
    pub(super) unknown_upstream: Status,
}

impl<S: StreamState> Cx<'_, S> {
    /// Gives a callout of the current context its number, has it started, and tells the guest the number.
    pub(super) fn start_callout(
        &mut self,
        new: NewCallout,
        start: impl FnOnce(&dyn Callouts, CalloutId) -> Result<(), CalloutError>,
    ) -> Outcome {
        let state = self.state;
        let callouts = state.callouts.as_deref().ok_or(new.unknown_upstream)?;
        let id = state
            .note_callout(new.kind, new.size)
            .ok_or(Status::InternalFailure)?;
        if let Err(error) = start(callouts, id) {
            state.forget_callout(id);
            return Err(match error {
                CalloutError::UnknownUpstream => new.unknown_upstream.into(),
                CalloutError::Failed => Status::InternalFailure.into(),
            });
        }
        Ok(self.memory().write_u32(new.return_id, id.get())?)
    }
}

/// A name, which is text for every upstream that there can be.
pub(super) fn text(bytes: &[u8]) -> Result<String, Stop> {
    String::from_utf8(bytes.to_vec()).map_err(|_| Status::BadArgument.into())
}

/// 0 is no limit, as on Envoy.
pub(super) fn milliseconds(timeout: u64) -> Option<Duration> {
    Some(Duration::from_millis(timeout)).filter(|timeout| !timeout.is_zero())
}

/// Serialised headers as a map; none is an empty one.
pub(super) fn header_map(limits: HeaderLimits, serialized: &[u8]) -> Result<HeaderMap, Stop> {
    let mut map = HeaderMap::new();
    map.set_limits(limits);
    if serialized.is_empty() {
        return Ok(map);
    }
    for (name, value) in pairs::decode_with(serialized, limits.pairs()).map_err(|_| Status::BadArgument)? {
        map.add(name, value).map_err(Status::from)?;
    }
    Ok(map)
}
