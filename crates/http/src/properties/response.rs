//! `response.*`

use enginebay::abi::PropertyPath;

use super::write::{headers, put, put_size, put_value};
use crate::fields::Trailers;
use crate::reply::grpc_code;
use crate::state::State;

pub(super) fn get(state: &mut State, path: PropertyPath<'_>, out: &mut Vec<u8>) -> Option<()> {
    let (field, rest) = path.split_first();
    let key = match (field, rest.map(PropertyPath::as_single)) {
        (b"headers" | b"trailers", Some(key)) => Some(key?),
        (_, Some(_)) => return None,
        (_, None) => None,
    };
    match field {
        b"headers" => headers(state.response_map().as_deref(), key, out),
        b"trailers" => headers(state.trailers[1].as_mut().map(Trailers::map).as_deref(), key, out),
        b"code" => put_value(out, i64::from(state.response.as_ref()?.status().as_u16())),
        b"code_details" => put(out, state.response.as_ref()?.details()?.as_bytes()),
        b"headers_bytes" => put_size(out, headers_size(state)),
        b"size" => put_size(out, state.facts.sent),
        b"total_size" => {
            let trailers = state.trailers[1].as_mut().map_or(0, |t| t.map().size() as u64);
            let heads = headers_size(state).saturating_add(trailers);
            put_size(out, state.facts.sent.saturating_add(heads))
        }
        b"grpc_status" => put_value(out, grpc_status(state)?),
        _ => None,
    }
}

fn headers_size(state: &mut State) -> u64 {
    state.response_map().map_or(0, |map| map.size() as u64)
}

/// In the trailers, in the headers, or what stands for the HTTP status.
fn grpc_status(state: &mut State) -> Option<i64> {
    let trailers = state.trailers[1].as_mut().map(Trailers::map);
    let in_trailers = trailers.and_then(|map| super::number(map.get("grpc-status")?));
    in_trailers.or_else(|| {
        let head = state.response.as_ref()?;
        let given = head.value("grpc-status").and_then(super::number);
        Some(given.unwrap_or_else(|| i64::from(grpc_code(head.status()))))
    })
}
