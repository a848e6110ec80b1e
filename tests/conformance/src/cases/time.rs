//! Sections "Clocks" and "Timers".

use enginebay::abi::{Callback as C, HostFunction as F, Status};

use super::with_bad_pointers;
use crate::case::{Case, Effect, NUMBER, Step, num};
use crate::host::REALTIME;

pub(super) fn cases() -> Vec<Case> {
    let mut cases = with_bad_pointers(
        Case::of(F::ProxyGetCurrentTimeNanoseconds, "ok")
            .call(F::ProxyGetCurrentTimeNanoseconds, [num(NUMBER)], Status::Ok)
            .step(Step::Memory(NUMBER, REALTIME.to_le_bytes().into())),
    );
    let set =
        |case: Case, period: u32| case.call(F::ProxySetTickPeriodMilliseconds, [num(period)], Status::Ok);
    let case = |name: &str| Case::of(F::ProxySetTickPeriodMilliseconds, name).during(C::ProxyOnConfigure);
    cases.extend([
        set(case("ok"), 250)
            .during(C::ProxyOnTick)
            .step(Step::Param(0, 1))
            .then(Effect::Ticks(vec![250])),
        set(set(case("ok/stopped"), 250), 0).then(Effect::Ticks(vec![250, 0])),
        set(case("ok/of_a_stream").during(C::ProxyOnRequestHeaders), 7).then(Effect::Ticks(vec![7])),
        set(case("ok/49_days"), u32::MAX).then(Effect::Ticks(vec![u64::from(u32::MAX)])),
    ]);
    cases
}
