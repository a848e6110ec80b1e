//! Sections "Shared Key-Value Store" and "Shared Queues".

use enginebay::abi::{Callback as C, HostFunction as F, Status};

use super::contexts::{failing_allocators, in_and_out};
use super::with_bad_pointers;
use crate::case::{Allocator, Arg, Case, NUMBER, OTHER, Step, data, num, out};

/// A number that nobody got.
const UNKNOWN: u32 = 9999;

fn tight(case: Case) -> Case {
    case.given(|given| given.tight = true)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = shared_data();
    cases.extend(queues());
    cases
}

fn set(case: Case, key: &str, value: &str, cas: Arg, returns: Status) -> Case {
    case.call(F::ProxySetSharedData, [data(key), data(value), cas], returns)
}

fn get(case: Case, key: &str, returns: Status) -> Case {
    let args = in_and_out(key).into_iter().chain([num(NUMBER)]);
    case.call(F::ProxyGetSharedData, args, returns)
}

fn shared_data() -> Vec<Case> {
    let case = |name: &str| Case::of(F::ProxyGetSharedData, name);
    let filled = |name: &str| set(case(name), "key", "value", num(0), Status::Ok);
    let good = get(filled("ok"), "key", Status::Ok);
    let mut cases = with_bad_pointers(good.clone().out("value"));
    cases.extend(failing_allocators(&good));
    let empty = set(case("ok/an_empty_value"), "key", "", num(0), Status::Ok);
    cases.extend([
        get(empty, "key", Status::Ok).out(""),
        get(
            set(case("ok/no_key"), "", "v", num(0), Status::Ok),
            "",
            Status::Ok,
        )
        .out("v"),
        get(filled("not_found"), "other", Status::NotFound),
        get(
            filled("internal_failure/the_allocator_changes_the_context").allocator(Allocator::Switching),
            "key",
            Status::InternalFailure,
        ),
    ]);

    let case = |name: &str| Case::of(F::ProxySetSharedData, name);
    cases.extend(with_bad_pointers(set(
        case("ok"),
        "key",
        "value",
        num(0),
        Status::Ok,
    )));
    let seen = |name: &str| get(set(case(name), "key", "1", num(0), Status::Ok), "key", Status::Ok);
    let compared = set(seen("ok/compared"), "key", "2", Arg::Load(NUMBER), Status::Ok);
    let stale = set(seen("cas_mismatch"), "key", "2", num(0), Status::Ok);
    let stale = set(stale, "key", "3", Arg::Load(NUMBER), Status::CasMismatch);
    let early = set(
        seen("cas_mismatch/a_number_of_later"),
        "key",
        "2",
        num(u32::MAX),
        Status::CasMismatch,
    );
    cases.extend([
        get(compared, "key", Status::Ok).out("2"),
        get(
            set(case("ok/whatever_it_was"), "key", "1", num(0), Status::Ok),
            "key",
            Status::Ok,
        )
        .out("1"),
        set(case("ok/a_number_for_no_value"), "key", "1", num(7), Status::Ok)
            .differs("the specification could mean CAS_MISMATCH; Envoy gives OK"),
        get(stale, "key", Status::Ok).out("2"),
        get(early, "key", Status::Ok).out("1"),
        set(
            set(tight(case("internal_failure")), "key", "1", num(0), Status::Ok),
            "other",
            "1",
            num(0),
            Status::InternalFailure,
        )
        .differs("Envoy has no bound, and the specification no status for one"),
    ]);
    cases
}

fn register(case: Case, name: &str, returns: Status) -> Case {
    case.call(F::ProxyRegisterSharedQueue, [data(name), num(NUMBER)], returns)
}

fn enqueue(case: Case, queue: Arg, value: &str, returns: Status) -> Case {
    case.call(F::ProxyEnqueueSharedQueue, [queue, data(value)], returns)
}

fn dequeue(case: Case, queue: Arg, returns: Status) -> Case {
    case.call(
        F::ProxyDequeueSharedQueue,
        [queue].into_iter().chain(out()),
        returns,
    )
}

fn queues() -> Vec<Case> {
    let queue = || Arg::Load(NUMBER);
    let case = |name: &str| Case::of(F::ProxyRegisterSharedQueue, name);
    let mut cases = with_bad_pointers(register(case("ok"), "queue", Status::Ok).number(1));
    cases.extend([
        register(
            register(case("ok/again"), "queue", Status::Ok),
            "queue",
            Status::Ok,
        )
        .number(1),
        register(
            register(case("ok/another"), "queue", Status::Ok),
            "other",
            Status::Ok,
        )
        .number(2),
        register(
            register(tight(case("internal_failure")), "queue", Status::Ok),
            "other",
            Status::InternalFailure,
        )
        .differs("Envoy has no bound, and the specification no status for one"),
    ]);

    let case = |name: &str| Case::of(F::ProxyResolveSharedQueue, name);
    let resolve = |case: Case, vm: &str, name: &str, returns: Status| {
        let args = [data(vm), data(name), num(OTHER)];
        register(case, "queue", Status::Ok).call(F::ProxyResolveSharedQueue, args, returns)
    };
    cases.extend(with_bad_pointers(
        resolve(case("ok"), "my_vm", "queue", Status::Ok).step(Step::Memory(OTHER, vec![1, 0, 0, 0])),
    ));
    cases.extend([
        resolve(case("not_found"), "my_vm", "other", Status::NotFound),
        resolve(case("not_found/vm"), "other", "queue", Status::NotFound),
    ]);

    let case = |name: &str| register(Case::of(F::ProxyEnqueueSharedQueue, name), "queue", Status::Ok);
    cases.extend(with_bad_pointers(enqueue(
        case("ok"),
        queue(),
        "item",
        Status::Ok,
    )));
    let small = register(
        tight(Case::of(F::ProxyEnqueueSharedQueue, "internal_failure")),
        "q",
        Status::Ok,
    );
    let small = enqueue(small, queue(), "1", Status::Ok);
    cases.extend([
        enqueue(case("ok/nothing"), queue(), "", Status::Ok),
        enqueue(case("not_found"), num(UNKNOWN), "item", Status::NotFound),
        enqueue(small, queue(), "2", Status::InternalFailure)
            .differs("Envoy has no bound, and the specification no status for one"),
        enqueue(
            register(
                Case::of(F::ProxyEnqueueSharedQueue, "ok/and_the_queue_is_ready"),
                "queue",
                Status::Ok,
            ),
            queue(),
            "item",
            Status::Ok,
        )
        .during(C::ProxyOnQueueReady)
        .step(Step::Param(0, 1))
        .step(Step::Param(1, 1)),
    ]);

    let case = |name: &str| register(Case::of(F::ProxyDequeueSharedQueue, name), "queue", Status::Ok);
    let two = |name: &str| {
        enqueue(
            enqueue(case(name), queue(), "first", Status::Ok),
            queue(),
            "second",
            Status::Ok,
        )
    };
    let good = dequeue(two("ok"), queue(), Status::Ok);
    cases.extend(with_bad_pointers(good.clone().out("first")));
    cases.extend(failing_allocators(&good));
    let ordered = dequeue(
        dequeue(two("ok/in_order"), queue(), Status::Ok).out("first"),
        queue(),
        Status::Ok,
    );
    let switching = two("internal_failure/the_allocator_changes_the_context").allocator(Allocator::Switching);
    let switching = dequeue(switching, queue(), Status::InternalFailure);
    let kept = dequeue(
        two("ok/after_there_was_no_memory").allocator(Allocator::Empty),
        queue(),
        Status::InvalidMemoryAccess,
    );
    cases.extend([
        dequeue(ordered.out("second"), queue(), Status::Empty),
        dequeue(case("empty"), queue(), Status::Empty),
        dequeue(case("not_found"), num(UNKNOWN), Status::NotFound),
        switching,
        dequeue(kept.allocator(Allocator::Good), queue(), Status::Ok)
            .out("first")
            .differs("Envoy loses the item"),
    ]);
    cases
}
