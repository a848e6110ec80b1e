//! Every callback, with its parameters.

use enginebay::abi::{Callback as C, HostFunction as F, PeerType, Status, VersionSet};

use super::contexts::{ROOT, STREAM};
use crate::case::{Arg, Case, NUMBER, OUT, Step, data, num};
use crate::host::{PLUGIN_CONFIGURATION, STATS};

const LOCAL: u32 = PeerType::Local.as_u32();
const REMOTE: u32 = PeerType::Remote.as_u32();

/// A case that looks at the parameters of a callback.
fn called(callback: C, versions: VersionSet, params: &[u32]) -> Case {
    let case = Case::new(format!("{callback}/called")).in_versions(versions);
    let params = (0..).zip(params);
    params.fold(case.during(callback), |case, (at, value)| {
        case.step(Step::Param(at, *value))
    })
}

pub(super) fn cases() -> Vec<Case> {
    use VersionSet as V;
    let mut cases = vec![
        called(C::ProxyOnContextCreate, V::ALL, &[STREAM, ROOT]),
        called(C::ProxyOnVmStart, V::ALL, &[ROOT]),
        called(
            C::ProxyOnConfigure,
            V::ALL,
            &[ROOT, PLUGIN_CONFIGURATION.len() as u32],
        ),
        called(C::ProxyOnRequestHeaders, V::V0_1, &[STREAM, 4]),
        called(C::ProxyOnRequestHeaders, V::V0_2, &[STREAM, 4, 0]),
        called(C::ProxyOnRequestBody, V::ALL, &[STREAM, 5, 0]),
        called(C::ProxyOnRequestTrailers, V::ALL, &[STREAM, 2]),
        called(C::ProxyOnResponseHeaders, V::V0_1, &[STREAM, 1]),
        called(C::ProxyOnResponseHeaders, V::V0_2, &[STREAM, 1, 0]),
        called(C::ProxyOnResponseBody, V::ALL, &[STREAM, 3, 1]),
        called(C::ProxyOnResponseTrailers, V::ALL, &[STREAM, 1]),
        called(C::ProxyOnNewConnection, V::ALL, &[STREAM]),
        called(C::ProxyOnDownstreamData, V::ALL, &[STREAM, 7, 0]),
        called(C::ProxyOnUpstreamData, V::ALL, &[STREAM, 6, 1]),
        called(C::ProxyOnDownstreamConnectionClose, V::ALL, &[STREAM, REMOTE]),
        called(C::ProxyOnUpstreamConnectionClose, V::ALL, &[STREAM, LOCAL]),
        called(C::ProxyOnRequestMetadata, V::ALL, &[STREAM, 3]),
        called(C::ProxyOnResponseMetadata, V::ALL, &[STREAM, 9]),
        called(C::ProxyOnForeignFunction, V::V0_2, &[ROOT, 3, 9])
            .call(
                F::ProxyGetBufferBytes,
                [num(8), num(0), num(u32::MAX), num(OUT[0]), num(OUT[1])],
                Status::Ok,
            )
            .out("arguments")
            .call(
                F::ProxySetBufferBytes,
                [num(8), num(0), num(0), data("x")],
                Status::BadArgument,
            ),
        called(C::EnvoyOnStatsUpdate, V::ALL, &[ROOT, STATS.len() as u32])
            .call(
                F::ProxyGetBufferBytes,
                [num(8), num(0), num(u32::MAX), num(OUT[0]), num(OUT[1])],
                Status::Ok,
            )
            .out(STATS)
            .call(
                F::ProxySetBufferBytes,
                [num(8), num(0), num(0), data("x")],
                Status::BadArgument,
            ),
        called(C::ProxyOnLog, V::ALL, &[STREAM]),
        called(C::ProxyOnDone, V::ALL, &[STREAM]),
        called(C::ProxyOnDelete, V::ALL, &[STREAM]),
    ];
    let ticking = Case::new("proxy_on_tick/called")
        .during(C::ProxyOnConfigure)
        .call(F::ProxySetTickPeriodMilliseconds, [num(10)], Status::Ok);
    cases.push(ticking.during(C::ProxyOnTick).step(Step::Param(0, ROOT)));
    let queueing = Case::new("proxy_on_queue_ready/called")
        .during(C::ProxyOnConfigure)
        .call(
            F::ProxyRegisterSharedQueue,
            [data("queue"), num(NUMBER)],
            Status::Ok,
        )
        .during(C::ProxyOnRequestHeaders)
        .call(
            F::ProxyEnqueueSharedQueue,
            [Arg::Load(NUMBER), data("item")],
            Status::Ok,
        );
    cases.push(
        queueing
            .during(C::ProxyOnQueueReady)
            .step(Step::Param(0, ROOT))
            .step(Step::Param(1, 1)),
    );
    for (callback, message) in [
        (C::ProxyOnVmStart, "proxy_on_vm_start returned false"),
        (C::ProxyOnConfigure, "proxy_on_configure returned false"),
    ] {
        cases.push(
            Case::new(format!("{callback}/returns_false"))
                .during(callback)
                .step(Step::Return(0))
                .failing(message),
        );
    }
    cases
}
