//! Section "Buffers".

use enginebay::abi::{BufferType, Callback as C, HostFunction as F, Status};

use super::contexts::failing_allocators;
use super::with_bad_pointers;
use crate::case::{Allocator, Case, Effect, NUMBER, OTHER, Step, data, num, out};
use crate::host::PLUGIN_CONFIGURATION;

const BODY: BufferType = BufferType::HttpRequestBody;
const MAX: u32 = u32::MAX;

fn get(case: Case, buffer: u32, start: u32, max_size: u32, returns: Status) -> Case {
    let range = [buffer, start, max_size].map(num);
    case.call(F::ProxyGetBufferBytes, range.into_iter().chain(out()), returns)
}

fn set(case: Case, buffer: u32, start: u32, size: u32, value: &str, returns: Status) -> Case {
    let range = [buffer, start, size].map(num);
    case.call(
        F::ProxySetBufferBytes,
        range.into_iter().chain([data(value)]),
        returns,
    )
}

fn size(case: Case, buffer: u32, returns: Status) -> Case {
    let args = [buffer, NUMBER, OTHER].map(num);
    case.call(F::ProxyGetBufferStatus, args, returns)
}

pub(super) fn cases() -> Vec<Case> {
    let body = BODY.as_u32();
    let case = |name: &str| Case::of(F::ProxyGetBufferBytes, name);
    let mut cases = with_bad_pointers(get(case("ok"), body, 0, 100, Status::Ok).out("hello"));
    cases.extend(failing_allocators(&get(case("ok"), body, 0, 100, Status::Ok)));
    for (name, start, max_size, expected) in [
        ("ok/a_part", 1, 3, "ell"),
        ("ok/from_somewhere_to_the_end", 2, MAX, "llo"),
        ("ok/start_at_end", 5, 1, ""),
        ("ok/start_beyond_end", 100, 1, ""),
        ("ok/no_bytes", 0, 0, ""),
    ] {
        cases.push(get(case(name), body, start, max_size, Status::Ok).out(expected));
    }
    cases.push(
        get(
            case("ok/start_plus_max_size_of_more_than_32_bits"),
            body,
            MAX,
            MAX,
            Status::Ok,
        )
        .out("")
        .differs("the specification says BAD_ARGUMENT; Envoy adds them with 64 bits, and nothing overflows"),
    );
    for buffer in BufferType::ALL {
        let name = buffer.name().to_lowercase();
        let number = buffer.as_u32();
        if matches!(
            buffer,
            BufferType::VmConfiguration | BufferType::PluginConfiguration
        ) {
            continue;
        }
        if matches!(
            buffer,
            BufferType::HttpCallResponseBody | BufferType::GrpcCallMessage
        ) {
            // What they hold is a case about callouts.
            cases.push(get(
                case(&format!("not_found/{name}")),
                number,
                0,
                MAX,
                Status::NotFound,
            ));
            cases.push(
                set(
                    Case::of(F::ProxySetBufferBytes, &format!("not_found/{name}")),
                    number,
                    0,
                    0,
                    "x",
                    Status::NotFound,
                )
                .then(Effect::Untouched),
            );
            continue;
        }
        let buffer = *buffer;
        let given = |name: &str| case(name).given(|given| given.buffers = vec![(buffer, "bytes")]);
        cases.push(get(given(&format!("ok/{name}")), number, 0, MAX, Status::Ok).out("bytes"));
        cases.push(
            get(
                case(&format!("not_found/{name}")).given(|given| given.buffers = Vec::new()),
                number,
                0,
                MAX,
                Status::NotFound,
            )
            .differs("Envoy gives OK and no bytes for some of them; SDKs take both for no buffer"),
        );
    }
    cases.extend([
        get(
            case("ok/vm_configuration").during(C::ProxyOnVmStart),
            6,
            0,
            16,
            Status::Ok,
        )
        .out(crate::guest::VM_CONFIGURATION),
        get(
            case("ok/plugin_configuration").during(C::ProxyOnConfigure),
            7,
            0,
            MAX,
            Status::Ok,
        )
        .out(PLUGIN_CONFIGURATION),
        get(case("ok/plugin_configuration_of_a_stream"), 7, 0, MAX, Status::Ok)
            .out(PLUGIN_CONFIGURATION)
            .differs("Envoy gives it in proxy_on_configure alone"),
        get(
            case("not_found").during(C::ProxyOnConfigure),
            body,
            0,
            MAX,
            Status::NotFound,
        )
        .differs("Envoy gives OK and no bytes; SDKs take both for no buffer"),
        get(case("bad_argument"), 9, 0, MAX, Status::BadArgument),
        get(case("bad_argument/negative"), MAX, 0, MAX, Status::BadArgument),
        get(
            case("internal_failure/the_allocator_changes_the_context").allocator(Allocator::Switching),
            body,
            0,
            MAX,
            Status::InternalFailure,
        ),
    ]);

    let case = |name: &str| Case::of(F::ProxyGetBufferStatus, name);
    let zero = |case: Case, len: u32| case.number(len).step(Step::Memory(OTHER, vec![0; 4]));
    cases.extend(with_bad_pointers(zero(size(case("ok"), body, Status::Ok), 5)));
    cases.extend([
        zero(
            size(case("ok/plugin_configuration"), 7, Status::Ok),
            PLUGIN_CONFIGURATION.len() as u32,
        ),
        size(
            case("not_found").during(C::ProxyOnConfigure),
            body,
            Status::NotFound,
        )
        .differs("Envoy gives OK and 0"),
        size(case("not_found/response_body"), 1, Status::NotFound).differs("Envoy gives OK and 0"),
        size(case("bad_argument"), 9, Status::BadArgument),
    ]);

    let case = |name: &str| Case::of(F::ProxySetBufferBytes, name);
    cases.extend(with_bad_pointers(
        set(case("ok"), body, 0, MAX, "bye", Status::Ok).then(Effect::Buffer(BODY, "bye")),
    ));
    for (name, start, len, value, expected) in [
        ("ok/prepend", 0, 0, ">", ">hello"),
        ("ok/append", 5, 0, "!", "hello!"),
        ("ok/append_beyond_end", 100, 3, "!", "hello!"),
        ("ok/append_at_the_largest_size", MAX, MAX, "!", "hello!"),
        ("ok/inject", 2, 0, "-", "he-llo"),
        ("ok/replace_a_part", 1, 3, "ipp", "hippo"),
        ("ok/replace_to_the_end", 1, MAX, "i", "hi"),
        ("ok/drain", 0, MAX, "", ""),
        ("ok/nothing", 0, 0, "", "hello"),
    ] {
        cases.push(set(case(name), body, start, len, value, Status::Ok).then(Effect::Buffer(BODY, expected)));
    }
    cases.extend([
        set(case("bad_argument"), 9, 0, 0, "x", Status::BadArgument).then(Effect::Untouched),
        set(
            case("bad_argument/vm_configuration").during(C::ProxyOnVmStart),
            6,
            0,
            0,
            "x",
            Status::BadArgument,
        ),
        set(
            case("bad_argument/plugin_configuration").during(C::ProxyOnConfigure),
            7,
            0,
            0,
            "x",
            Status::BadArgument,
        ),
        set(case("not_found"), 1, 0, 0, "x", Status::NotFound)
            .then(Effect::Untouched)
            .differs("Envoy gives BAD_ARGUMENT"),
        set(
            case("not_found/of_a_root_context").during(C::ProxyOnConfigure),
            0,
            0,
            0,
            "x",
            Status::NotFound,
        )
        .differs("Envoy gives BAD_ARGUMENT"),
    ]);
    cases
}
