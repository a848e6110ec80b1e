//! Sections "Context lifecycle" and, for ABI 0.1.0, "Configuration".

use enginebay::abi::{Callback as C, HostFunction as F, Status};

use super::with_bad_pointers;
use crate::case::{Allocator, Arg, Case, Effect, OUT, Step, data, num, out};
use crate::host::PLUGIN_CONFIGURATION;

/// The root context of every case, and its stream.
pub(super) const ROOT: u32 = 1;
pub(super) const STREAM: u32 = 2;

fn effective(case: Case, context: u32, returns: Status) -> Case {
    case.call(F::ProxySetEffectiveContext, [num(context)], returns)
}

pub(super) fn cases() -> Vec<Case> {
    let done = |case: Case, returns: Status| case.call(F::ProxyDone, [], returns);
    // Says whose plugin it is; only a stream has a property of its own.
    let own = |case: Case, returns: Status| {
        let args = [data("request\0path")].into_iter().chain(out());
        case.call(F::ProxyGetProperty, args, returns)
    };
    let kept = Case::of(F::ProxyDone, "ok").during(C::ProxyOnConfigure);
    let kept = kept
        .call(F::ProxySetTickPeriodMilliseconds, [num(1000)], Status::Ok)
        .during(C::ProxyOnDone)
        .step(Step::Return(0))
        .during(C::ProxyOnTick);
    let kept = done(effective(kept, STREAM, Status::Ok), Status::Ok)
        .during(C::ProxyOnDelete)
        .step(Step::Param(0, STREAM));
    let mut cases = vec![
        kept.then(Effect::Contexts(1)),
        done(Case::of(F::ProxyDone, "not_found"), Status::NotFound),
        done(
            Case::of(F::ProxyDone, "not_found/in_on_done").during(C::ProxyOnDone),
            Status::NotFound,
        ),
        done(
            Case::of(F::ProxyDone, "not_found/of_a_root_context").during(C::ProxyOnConfigure),
            Status::NotFound,
        ),
        Case::of(F::ProxyDone, "not_found/kept_without_it")
            .during(C::ProxyOnDone)
            .step(Step::Return(0))
            .then(Effect::Contexts(2)),
    ];
    let case = |name: &str| Case::of(F::ProxySetEffectiveContext, name);
    cases.extend([
        own(
            effective(own(case("ok"), Status::Ok), ROOT, Status::Ok),
            Status::NotFound,
        ),
        own(
            effective(effective(case("ok/0_goes_back"), ROOT, Status::Ok), 0, Status::Ok),
            Status::Ok,
        )
        .differs("the specification knows no context 0; on Envoy it stands for none"),
        effective(case("ok/of_itself"), STREAM, Status::Ok),
        // It ends with the callback.
        own(
            effective(case("ok/until_the_callback_ends"), ROOT, Status::Ok).during(C::ProxyOnRequestBody),
            Status::Ok,
        ),
        effective(case("bad_argument"), 77, Status::BadArgument),
        effective(case("bad_argument/negative"), u32::MAX, Status::BadArgument),
    ]);

    let get = |case: Case, returns: Status| case.call(F::ProxyGetConfiguration, out(), returns);
    let case = |name: &str| Case::of(F::ProxyGetConfiguration, name);
    cases.extend(with_bad_pointers(
        get(case("ok").during(C::ProxyOnConfigure), Status::Ok).out(PLUGIN_CONFIGURATION),
    ));
    cases.extend([
        get(case("ok/of_the_vm").during(C::ProxyOnVmStart), Status::Ok)
            .step(Step::OutStarts(crate::guest::VM_CONFIGURATION.into())),
        get(case("ok/of_a_stream"), Status::Ok)
            .out(PLUGIN_CONFIGURATION)
            .differs("Envoy gives a stream the configuration of the VM"),
        get(
            case("internal_failure/the_allocator_changes_the_context").allocator(Allocator::Switching),
            Status::InternalFailure,
        ),
    ]);
    cases.extend(failing_allocators(&get(case("ok"), Status::Ok)));
    cases
}

/// A case that gets bytes, with allocators that give no memory for them.
pub(super) fn failing_allocators(good: &Case) -> Vec<Case> {
    let function = good.calls().last().map(|(function, _)| function);
    let failing = |name: &str, allocator: Allocator| {
        let mut case = good.clone();
        let function = function.map(F::name).unwrap_or_default();
        case.name = format!("{function}/invalid_memory_access/{name}");
        case.effects = vec![Effect::Untouched];
        if let Some((_, steps)) = case.script.last_mut() {
            let at = steps.iter().rposition(|step| matches!(step, Step::Call { .. }));
            steps.truncate(at.map_or(0, |at| at + 1));
            if let Some(Step::Call { returns, .. }) = steps.last_mut() {
                *returns = Some(Status::InvalidMemoryAccess.as_u32());
            }
            let at = steps.len().saturating_sub(1);
            steps.insert(at, Step::Allocator(allocator));
        }
        // Nothing that looks like a result is left.
        case.step(Step::Memory(OUT[0], vec![0; 8]))
    };
    vec![
        failing("no_memory_left", Allocator::Empty),
        failing("allocated_outside", Allocator::Outside),
    ]
}

/// Address and size of bytes, then where to return others.
pub(super) fn in_and_out(bytes: &str) -> Vec<Arg> {
    [data(bytes)].into_iter().chain(out()).collect()
}
