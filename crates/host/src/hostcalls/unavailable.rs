//! Host functions that this host does not have yet: callouts. They can be imported, so that a plugin that only might call them loads; a call logs the
//! function's name and returns `UNIMPLEMENTED`.

use enginebay_abi::{HostFunction, LogLevel, Status};
use enginebay_engine::HostError;

use super::Cx;
use crate::StreamState;

macro_rules! unavailable {
    ($($name:ident: $function:ident;)*) => {
        $(
            pub(super) fn $name<S: StreamState>(cx: &mut Cx<'_, S>, _: &[u64]) -> Result<u64, HostError> {
                refuse(cx, HostFunction::$function)
            }
        )*
    };
}

unavailable! {
    http_call: ProxyHttpCall;
    grpc_call: ProxyGrpcCall;
    grpc_stream: ProxyGrpcStream;
    grpc_send: ProxyGrpcSend;
    grpc_cancel: ProxyGrpcCancel;
    grpc_close: ProxyGrpcClose;
}

fn refuse<S: StreamState>(cx: &Cx<'_, S>, function: HostFunction) -> Result<u64, HostError> {
    cx.state.log(
        LogLevel::Error,
        &format!("{function} is not available in this host: returning UNIMPLEMENTED"),
    );
    Ok(u64::from(Status::Unimplemented.as_u32()))
}
