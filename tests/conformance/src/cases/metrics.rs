//! Section "Metrics".

use enginebay::abi::{HostFunction as F, MetricType, Status};

use super::with_bad_pointers;
use crate::case::{Arg, Case, NUMBER, OTHER, Step, data, num, wide};

/// Of a counter that there is not.
const UNKNOWN: u32 = 400;
/// Of no type of metric.
const UNKNOWN_TYPE: u32 = 403;

fn define(case: Case, kind: u32, name: &str, returns: Status) -> Case {
    let args = [num(kind), data(name), num(NUMBER)];
    case.call(F::ProxyDefineMetric, args, returns)
}

fn metric(function: F, name: &str, kind: MetricType) -> Case {
    define(Case::of(function, name), kind.as_u32(), "metric", Status::Ok)
}

fn record(case: Case, metric: Arg, value: i64, returns: Status) -> Case {
    case.call(F::ProxyRecordMetric, [metric, wide(value)], returns)
}

fn increment(case: Case, metric: Arg, delta: i64, returns: Status) -> Case {
    case.call(F::ProxyIncrementMetric, [metric, wide(delta)], returns)
}

fn get(case: Case, metric: Arg, returns: Status) -> Case {
    case.call(F::ProxyGetMetric, [metric, num(OTHER)], returns)
}

/// The metric that was defined has this value.
fn is(case: Case, value: u64) -> Case {
    get(case, Arg::Load(NUMBER), Status::Ok).step(Step::Memory(OTHER, value.to_le_bytes().into()))
}

pub(super) fn cases() -> Vec<Case> {
    use MetricType::{Counter, Gauge, Histogram};
    let own = || Arg::Load(NUMBER);
    let case = |name: &str| Case::of(F::ProxyDefineMetric, name);
    let mut cases = with_bad_pointers(define(case("ok"), 0, "metric", Status::Ok).number(4));
    cases.extend([
        define(case("ok/gauge"), 1, "metric", Status::Ok).number(5),
        define(case("ok/histogram"), 2, "metric", Status::Ok).number(6),
        define(case("bad_argument"), 3, "metric", Status::BadArgument),
        define(
            case("bad_argument/negative"),
            u32::MAX,
            "metric",
            Status::BadArgument,
        ),
        define(
            define(case("internal_failure"), 0, "metric", Status::Ok).given(|given| given.tight = true),
            0,
            "other",
            Status::InternalFailure,
        )
        .differs("Envoy has no bound, and the specification no status for one"),
    ]);

    let with = |name: &str, kind| metric(F::ProxyRecordMetric, name, kind);
    cases.extend([
        is(record(with("ok", Gauge), own(), 7, Status::Ok), 7),
        is(record(with("ok/counter", Counter), own(), 7, Status::Ok), 7)
            .differs("the specification says that the value is set; Envoy adds it to a counter"),
        record(with("ok/histogram", Histogram), own(), 7, Status::Ok),
        record(with("not_found", Counter), num(UNKNOWN), 7, Status::NotFound),
        record(
            with("not_found/type", Counter),
            num(UNKNOWN_TYPE),
            7,
            Status::NotFound,
        ),
        record(with("not_found/0", Counter), num(0), 7, Status::NotFound),
    ]);

    let with = |name: &str, kind| metric(F::ProxyIncrementMetric, name, kind);
    cases.extend([
        is(increment(with("ok", Counter), own(), 7, Status::Ok), 7),
        is(
            increment(
                increment(with("ok/gauge", Gauge), own(), 7, Status::Ok),
                own(),
                -2,
                Status::Ok,
            ),
            5,
        ),
        is(
            increment(with("bad_argument", Counter), own(), -1, Status::BadArgument),
            0,
        ),
        increment(with("bad_argument/by_0", Counter), own(), 0, Status::BadArgument)
            .differs("as on Envoy; the specification doesn't say"),
        increment(
            with("bad_argument/histogram", Histogram),
            own(),
            1,
            Status::BadArgument,
        ),
        increment(
            with("bad_argument/type", Counter),
            num(UNKNOWN_TYPE),
            1,
            Status::BadArgument,
        )
        .differs("as on Envoy; the specification means NOT_FOUND"),
        increment(with("not_found", Counter), num(UNKNOWN), 1, Status::NotFound),
    ]);

    let with = |name: &str, kind| metric(F::ProxyGetMetric, name, kind);
    let good = record(with("ok", Gauge), own(), 7, Status::Ok);
    let good = get(good, own(), Status::Ok).step(Step::Memory(OTHER, 7u64.to_le_bytes().into()));
    cases.extend(with_bad_pointers(good));
    cases.extend([
        get(with("bad_argument", Histogram), own(), Status::BadArgument)
            .differs("as on Envoy; the specification has no status for it"),
        get(
            with("bad_argument/type", Counter),
            num(UNKNOWN_TYPE),
            Status::BadArgument,
        )
        .differs("as on Envoy; the specification means NOT_FOUND"),
        get(with("not_found", Counter), num(UNKNOWN), Status::NotFound),
    ]);
    cases
}
