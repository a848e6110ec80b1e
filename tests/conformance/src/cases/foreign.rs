//! Section "Foreign function interface".

use enginebay::abi::{HostFunction as F, Status};

use super::contexts::failing_allocators;
use super::with_bad_pointers;
use crate::case::{Allocator, Case, OUT, Step, data, num, out};

fn call(case: Case, name: &str, arguments: &str, returns: Status) -> Case {
    let args = [data(name), data(arguments)].into_iter().chain(out());
    case.call(F::ProxyCallForeignFunction, args, returns)
}

pub(super) fn cases() -> Vec<Case> {
    let case = |name: &str| Case::of(F::ProxyCallForeignFunction, name);
    let good = call(case("ok"), "reverse", "abc", Status::Ok);
    let mut cases = with_bad_pointers(good.clone().out("cba"));
    cases.extend(failing_allocators(&good));
    let no_place = [data("reverse"), data("abc"), num(0), num(0)];
    cases.extend([
        call(case("ok/no_arguments"), "reverse", "", Status::Ok).out(""),
        case("ok/no_place_for_results").call(F::ProxyCallForeignFunction, no_place, Status::Ok),
        call(
            case("bad_argument/of_the_function"),
            "refuse",
            "",
            Status::BadArgument,
        )
        .differs("the function's own status, as on Envoy"),
        call(case("not_found"), "none", "", Status::NotFound).step(Step::Memory(OUT[0], vec![0xee; 8])),
        call(
            case("internal_failure/the_allocator_changes_the_context").allocator(Allocator::Switching),
            "reverse",
            "abc",
            Status::InternalFailure,
        ),
    ]);
    cases
}
