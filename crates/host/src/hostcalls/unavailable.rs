//! Host functions that this host does not have yet: timers, callouts, shared data, queues, metrics and foreign
//! functions. They can be imported, so that a plugin that only might call them loads; a call logs the
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
    set_tick_period_milliseconds: ProxySetTickPeriodMilliseconds;
    http_call: ProxyHttpCall;
    grpc_call: ProxyGrpcCall;
    grpc_stream: ProxyGrpcStream;
    grpc_send: ProxyGrpcSend;
    grpc_cancel: ProxyGrpcCancel;
    grpc_close: ProxyGrpcClose;
    get_shared_data: ProxyGetSharedData;
    set_shared_data: ProxySetSharedData;
    register_shared_queue: ProxyRegisterSharedQueue;
    resolve_shared_queue: ProxyResolveSharedQueue;
    enqueue_shared_queue: ProxyEnqueueSharedQueue;
    dequeue_shared_queue: ProxyDequeueSharedQueue;
    define_metric: ProxyDefineMetric;
    record_metric: ProxyRecordMetric;
    increment_metric: ProxyIncrementMetric;
    get_metric: ProxyGetMetric;
    call_foreign_function: ProxyCallForeignFunction;
}

fn refuse<S: StreamState>(cx: &Cx<'_, S>, function: HostFunction) -> Result<u64, HostError> {
    cx.state.log(
        LogLevel::Error,
        &format!("{function} is not available in this host: returning UNIMPLEMENTED"),
    );
    Ok(u64::from(Status::Unimplemented.as_u32()))
}
