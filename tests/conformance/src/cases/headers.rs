//! Section "HTTP fields".

use enginebay::abi::{Callback as C, HostFunction as F, MapType, Status, VersionSet};

use super::contexts::{failing_allocators, in_and_out};
use super::{pairs, with_bad_pointers};
use crate::case::{Allocator, Arg, Case, Effect, NUMBER, OUT, Step, data, num, out};

const HEADERS: MapType = MapType::HttpRequestHeaders;
/// No map has this number.
const UNKNOWN: u32 = 8;
/// The stream has no such map.
const MISSING: u32 = MapType::HttpResponseTrailers.as_u32();
const GIVEN: [(&str, &str); 4] = [(":path", "/"), ("accept", "a"), ("empty", ""), ("accept", "b")];

fn of_map(case: Case, function: F, map: u32, args: impl IntoIterator<Item = Arg>, returns: Status) -> Case {
    case.call(function, [num(map)].into_iter().chain(args), returns)
}

/// What a function that changes a map is called with.
fn change(function: F) -> Vec<Arg> {
    match function {
        F::ProxySetHeaderMapPairs => vec![data(pairs(&[("a", "1"), ("b", "22"), ("a", "")]))],
        F::ProxyRemoveHeaderMapValue => vec![data("Accept")],
        _ => vec![data("Accept"), data("c")],
    }
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = reading();
    for function in [
        F::ProxySetHeaderMapPairs,
        F::ProxyAddHeaderMapValue,
        F::ProxyReplaceHeaderMapValue,
        F::ProxyRemoveHeaderMapValue,
    ] {
        cases.extend(changing(function));
    }
    cases.extend(details());
    cases
}

fn reading() -> Vec<Case> {
    let case = |name: &str| Case::of(F::ProxyGetHeaderMapSize, name);
    let size = |case: Case, map: u32, returns: Status| {
        of_map(case, F::ProxyGetHeaderMapSize, map, [num(NUMBER)], returns)
    };
    let mut cases = with_bad_pointers(
        size(case("ok"), 0, Status::Ok)
            .number(5 + 1 + 6 + 1 + 5 + 6 + 1)
            .differs("the specification means the serialized map; Envoy counts names and values alone"),
    );
    cases.extend([
        size(case("bad_argument"), UNKNOWN, Status::BadArgument),
        size(case("bad_argument/not_there"), MISSING, Status::BadArgument),
        size(case("ok/in_on_log").during(C::ProxyOnLog), 0, Status::Ok)
            .differs("Envoy gives BAD_ARGUMENT, though the headers can be read then"),
    ]);

    let case = |name: &str| Case::of(F::ProxyGetHeaderMapPairs, name);
    let get =
        |case: Case, map: u32, returns: Status| of_map(case, F::ProxyGetHeaderMapPairs, map, out(), returns);
    cases.extend(with_bad_pointers(
        get(case("ok"), 0, Status::Ok).out(pairs(&GIVEN)),
    ));
    cases.extend(failing_allocators(&get(case("ok"), 0, Status::Ok)));
    cases.extend([
        get(
            case("ok/empty").given(|given| given.maps = vec![(HEADERS, Vec::new())]),
            0,
            Status::Ok,
        )
        .out(""),
        get(case("ok/not_there"), MISSING, Status::Ok)
            .out("")
            .differs("as on Envoy: SDKs take any status but OK for a crash"),
        get(case("ok/in_on_log").during(C::ProxyOnLog), 0, Status::Ok).out(pairs(&GIVEN)),
        get(case("bad_argument"), UNKNOWN, Status::BadArgument),
        get(
            case("internal_failure/the_allocator_changes_the_context").allocator(Allocator::Switching),
            0,
            Status::InternalFailure,
        ),
    ]);
    for map in &MapType::ALL[..4] {
        let map = *map;
        let given = case(&format!("ok/{}", map.name().to_lowercase()))
            .given(|given| given.maps = vec![(map, vec![("k", "v")])]);
        cases.push(get(given, map.as_u32(), Status::Ok).out(pairs(&[("k", "v")])));
    }

    let case = |name: &str| Case::of(F::ProxyGetHeaderMapValue, name);
    let get = |case: Case, map: u32, key: &str, returns: Status| {
        of_map(case, F::ProxyGetHeaderMapValue, map, in_and_out(key), returns)
    };
    cases.extend(with_bad_pointers(
        get(case("ok"), 0, "accept", Status::Ok).out("a"),
    ));
    cases.extend(failing_allocators(&get(case("ok"), 0, "accept", Status::Ok)));
    let empty = Step::Memory(OUT[0], vec![0; 8]);
    cases.extend([
        get(case("ok/in_upper_case"), 0, "ACCEPT", Status::Ok).out("a"),
        get(case("ok/an_empty_value"), 0, "empty", Status::Ok).step(empty.clone()),
        get(case("ok/a_pseudo_header"), 0, ":path", Status::Ok).out("/"),
        get(
            case("ok/in_on_log").during(C::ProxyOnLog),
            0,
            "accept",
            Status::Ok,
        )
        .out("a"),
        get(
            case("not_found").in_versions(VersionSet::V0_2),
            0,
            "none",
            Status::NotFound,
        ),
        get(
            case("not_found/no_name").in_versions(VersionSet::V0_2),
            0,
            "",
            Status::NotFound,
        ),
        get(
            case("ok/not_there").in_versions(VersionSet::V0_1),
            0,
            "none",
            Status::Ok,
        )
        .step(empty),
        get(
            case("not_found/no_map_in_on_log")
                .in_versions(VersionSet::V0_2)
                .during(C::ProxyOnLog),
            MISSING,
            "accept",
            Status::NotFound,
        )
        .differs("as on Envoy: an access log asks for what the stream may never have had"),
        get(case("bad_argument"), UNKNOWN, "accept", Status::BadArgument),
        get(
            case("bad_argument/no_map"),
            MISSING,
            "accept",
            Status::BadArgument,
        ),
        get(
            case("bad_argument/of_a_root_context").during(C::ProxyOnConfigure),
            0,
            "accept",
            Status::BadArgument,
        ),
        get(
            case("internal_failure/the_allocator_changes_the_context").allocator(Allocator::Switching),
            0,
            "accept",
            Status::InternalFailure,
        ),
    ]);
    cases
}

/// What all functions that change a map have in common.
fn changing(function: F) -> Vec<Case> {
    let case = |name: &str| Case::of(function, name);
    let call = |case: Case, map: u32, returns: Status| of_map(case, function, map, change(function), returns);
    let expected = match function {
        F::ProxySetHeaderMapPairs => vec![("a", "1"), ("b", "22"), ("a", "")],
        F::ProxyAddHeaderMapValue => [&GIVEN[..], &[("accept", "c")]].concat(),
        F::ProxyReplaceHeaderMapValue => vec![(":path", "/"), ("accept", "c"), ("empty", "")],
        _ => vec![(":path", "/"), ("empty", "")],
    };
    let mut cases =
        with_bad_pointers(call(case("ok"), 0, Status::Ok).then(Effect::Headers(HEADERS, expected)));
    cases.extend([
        call(case("bad_argument"), UNKNOWN, Status::BadArgument).then(Effect::Untouched),
        call(case("bad_argument/no_map"), MISSING, Status::BadArgument).then(Effect::Untouched),
        call(
            case("bad_argument/of_a_root_context").during(C::ProxyOnConfigure),
            0,
            Status::BadArgument,
        ),
        call(
            case("bad_argument/in_on_log").during(C::ProxyOnLog),
            0,
            Status::BadArgument,
        )
        .then(Effect::Untouched),
    ]);
    cases
}

/// What one function alone has.
fn details() -> Vec<Case> {
    let case = Case::of;
    let set = |name: &str, bytes: &[u8], returns: Status| {
        let function = F::ProxySetHeaderMapPairs;
        of_map(case(function, name), function, 0, [data(bytes)], returns)
    };
    let added = |name: &str, key: &str, value: &str, returns: Status| {
        let function = F::ProxyAddHeaderMapValue;
        of_map(
            case(function, name),
            function,
            0,
            [data(key), data(value)],
            returns,
        )
    };
    let replaced = |name: &str, key: &str, value: &str, returns: Status| {
        let function = F::ProxyReplaceHeaderMapValue;
        of_map(
            case(function, name),
            function,
            0,
            [data(key), data(value)],
            returns,
        )
    };
    let removed = |name: &str, key: &str, returns: Status| {
        let function = F::ProxyRemoveHeaderMapValue;
        of_map(case(function, name), function, 0, [data(key)], returns)
    };
    let unsendable = "Envoy adds it, and the message on the wire is another one";
    vec![
        set("ok/nothing", b"", Status::Ok).then(Effect::Headers(HEADERS, vec![])),
        set("ok/no_pairs", &[0; 4], Status::Ok).then(Effect::Headers(HEADERS, vec![])),
        set("ok/one_zero_byte", &[0], Status::Ok).then(Effect::Headers(HEADERS, vec![])),
        set("bad_argument/malformed", &[0xff; 4], Status::BadArgument)
            .then(Effect::Untouched)
            .differs("Envoy takes all headers out and gives OK"),
        set(
            "bad_argument/cut",
            &pairs(&[("a", "1")])[..10],
            Status::BadArgument,
        )
        .then(Effect::Untouched)
        .differs("Envoy takes all headers out and gives OK"),
        added("ok/empty_value", "new", "", Status::Ok)
            .then(Effect::Headers(HEADERS, [&GIVEN[..], &[("new", "")]].concat())),
        added("bad_argument/no_header_name", "a b", "c", Status::BadArgument)
            .then(Effect::Untouched)
            .differs(unsendable),
        added("bad_argument/line_break", "a", "b\r\nc: d", Status::BadArgument)
            .then(Effect::Untouched)
            .differs(unsendable),
        replaced("ok/added", "new", "v", Status::Ok)
            .then(Effect::Headers(HEADERS, [&GIVEN[..], &[("new", "v")]].concat())),
        replaced("bad_argument/line_break", "accept", "b\nc", Status::BadArgument)
            .then(Effect::Untouched)
            .differs(unsendable),
        removed("ok/not_there", "none", Status::Ok).then(Effect::Untouched),
    ]
}
