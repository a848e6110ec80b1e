//! Section "Properties".

use enginebay::abi::{Callback as C, HostFunction as F, Status};

use super::contexts::{failing_allocators, in_and_out};
use super::with_bad_pointers;
use crate::case::{Allocator, Case, Effect, data, num};

fn get(case: Case, path: &str, returns: Status) -> Case {
    case.call(F::ProxyGetProperty, in_and_out(path), returns)
}

fn set(case: Case, path: &str, value: &str, returns: Status) -> Case {
    case.call(F::ProxySetProperty, [data(path), data(value)], returns)
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str| Case::of(F::ProxyGetProperty, name);
    let good = get(case("ok"), "request\0path", Status::Ok);
    let mut cases = with_bad_pointers(good.clone().out("/x"));
    cases.extend(failing_allocators(&good));
    cases.extend([
        get(case("ok/with_a_nul_at_the_end"), "request\0path\0", Status::Ok).out("/x"),
        get(case("ok/an_empty_value"), "empty", Status::Ok).out(""),
        get(case("ok/plugin_name"), "plugin_name", Status::Ok).out("my_plugin"),
        get(case("ok/plugin_root_id"), "plugin_root_id", Status::Ok).out("my_root"),
        get(case("ok/plugin_vm_id"), "plugin_vm_id", Status::Ok).out("my_vm"),
        get(
            case("ok/of_the_host").during(C::ProxyOnConfigure),
            "node\0id",
            Status::Ok,
        )
        .out("my_node"),
        get(case("not_found"), "none", Status::NotFound),
        get(case("not_found/a_part"), "request", Status::NotFound),
        get(
            case("not_found/of_a_root_context").during(C::ProxyOnConfigure),
            "request\0path",
            Status::NotFound,
        ),
        get(case("serialization_failure"), "", Status::SerializationFailure),
        get(
            case("internal_failure/the_allocator_changes_the_context").allocator(Allocator::Switching),
            "request\0path",
            Status::InternalFailure,
        ),
    ]);

    let case = |name: &str| Case::of(F::ProxySetProperty, name);
    cases.extend(with_bad_pointers(
        set(case("ok"), "my\0own", "value", Status::Ok).then(Effect::Property("my\0own", "value")),
    ));
    cases.extend([
        get(
            set(case("ok/read_again"), "own", "1", Status::Ok),
            "own",
            Status::Ok,
        )
        .out("1"),
        set(case("ok/empty"), "own", "", Status::Ok).then(Effect::Property("own", "")),
        set(case("ok/no_path"), "", "value", Status::Ok)
            .then(Effect::Untouched)
            .differs("as on Envoy, where nobody can read it: SDKs take any status but OK for a crash"),
        case("bad_argument")
            .call(
                F::ProxySetProperty,
                [data("own"), num(1 << 14), num(1 << 20)],
                Status::BadArgument,
            )
            .then(Effect::Untouched)
            .differs("Envoy has no bound, and the specification no status for one"),
        set(
            case("not_found").during(C::ProxyOnConfigure),
            "own",
            "1",
            Status::NotFound,
        ),
        set(
            case("not_found/of_a_stream_that_has_none").given(|given| given.bare = true),
            "own",
            "1",
            Status::NotFound,
        ),
    ]);
    cases
}
