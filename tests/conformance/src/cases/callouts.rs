//! Sections "HTTP calls" and "gRPC calls".

use enginebay::abi::{Callback as C, HostFunction as F, Status};

use super::contexts::{ROOT, STREAM, failing_allocators};
use super::{pairs, with_bad_pointers};
use crate::case::{Allocator, Arg, Case, Effect, NUMBER, Step, data, num, out};
use crate::host::TOO_MUCH;

/// The numbers that the first callouts get: as on Envoy, they have the kind in their two lowest bits.
const HTTP: u32 = 4;
const CALL: u32 = 5;
const OPENED: u32 = 6;
/// Of a stream that there is not, and of no kind.
const UNKNOWN: u32 = 402;
const UNKNOWN_KIND: u32 = 403;

const REQUEST: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

/// A status that the specification doesn't name.
const BOUND: &str = "the specification has no status for a bound, and Envoy has no bound";

fn http(case: Case, upstream: &str, headers: Vec<u8>, returns: Status) -> Case {
    let args = [
        data(upstream),
        data(headers),
        data("body"),
        data(pairs(&[("t", "1")])),
        num(250),
        num(NUMBER),
    ];
    case.call(F::ProxyHttpCall, args, returns)
}

/// Starts a call, or opens a stream. `to` is upstream, service, method and metadata; the timeout is of calls alone.
fn grpc(function: F, case: Case, to: [Arg; 4], timeout: u32, returns: Status) -> Case {
    let rest = match function {
        F::ProxyGrpcStream => vec![num(NUMBER)],
        _ => vec![data("message"), num(timeout), num(NUMBER)],
    };
    case.call(function, to.into_iter().chain(rest), returns)
}

/// The case with a call, or with a stream that is open.
fn under_way(function: F, case: Case) -> Case {
    let to = [data("cluster"), data("Service"), data("Method"), data("")];
    grpc(function, case, to, 0, Status::Ok)
}

/// A case with a stream that is open.
fn opened(function: F, name: &str) -> Case {
    under_way(F::ProxyGrpcStream, Case::of(function, name))
}

fn send(case: Case, id: u32, message: &str, end: u32, returns: Status) -> Case {
    case.call(F::ProxyGrpcSend, [num(id), data(message), num(end)], returns)
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = calling();
    for function in [F::ProxyGrpcCall, F::ProxyGrpcStream] {
        cases.extend(grpc_calling(function));
    }
    cases.extend(streaming());
    cases.extend(hearing());
    cases
}

fn calling() -> Vec<Case> {
    let case = |name: &str| Case::of(F::ProxyHttpCall, name);
    let request = || pairs(&REQUEST);
    let sent = "http cluster [:method=GET,:path=/,:authority=a] body [t=1] Some(250ms)";
    let mut cases = with_bad_pointers(
        http(case("ok"), "cluster", request(), Status::Ok)
            .number(HTTP)
            .then(Effect::Called(vec![sent])),
    );
    let without = |name: &str| {
        let rest: Vec<_> = REQUEST.into_iter().filter(|(of, _)| *of != name).collect();
        pairs(&rest)
    };
    cases.extend([
        http(case("bad_argument"), "none", request(), Status::BadArgument).then(Effect::Called(vec![])),
        http(
            case("bad_argument/no_method"),
            "cluster",
            without(":method"),
            Status::BadArgument,
        ),
        http(
            case("bad_argument/no_path"),
            "cluster",
            without(":path"),
            Status::BadArgument,
        ),
        http(
            case("bad_argument/no_authority"),
            "cluster",
            without(":authority"),
            Status::BadArgument,
        ),
        http(
            case("bad_argument/malformed"),
            "cluster",
            vec![0xff; 4],
            Status::BadArgument,
        ),
        http(
            case("internal_failure"),
            "down",
            request(),
            Status::InternalFailure,
        )
        .number(0),
        http(
            http(
                case("internal_failure/too_many"),
                "cluster",
                request(),
                Status::Ok,
            )
            .given(|given| given.callouts = 1),
            "cluster",
            request(),
            Status::InternalFailure,
        )
        .differs(BOUND),
        http(
            http(case("ok/a_second_one"), "cluster", request(), Status::Ok),
            "cluster",
            request(),
            Status::Ok,
        )
        .number(HTTP + 4),
    ]);
    cases
}

fn grpc_calling(function: F) -> Vec<Case> {
    let case = |name: &str| Case::of(function, name);
    let metadata = || pairs(&[("m", "1")]);
    let grpc = |case: Case, upstream: &str, service: &[u8], metadata: Vec<u8>, returns: Status| {
        let to = [data(upstream), data(service), data("Method"), data(metadata)];
        grpc(function, case, to, 250, returns)
    };
    let (number, sent) = match function {
        F::ProxyGrpcCall => (
            CALL,
            vec!["grpc call cluster Service/Method [m=1] message Some(250ms)"],
        ),
        // The plugin doesn't close it: the server has, so nothing is to be cancelled when its context goes.
        _ => (OPENED, vec!["grpc stream cluster Service/Method [m=1]"]),
    };
    let mut cases = with_bad_pointers(
        grpc(case("ok"), "cluster", b"Service", metadata(), Status::Ok)
            .number(number)
            .then(Effect::Called(sent)),
    );
    cases.extend([
        grpc(
            case("parse_failure"),
            "none",
            b"Service",
            metadata(),
            Status::ParseFailure,
        )
        .number(0),
        grpc(
            case("internal_failure"),
            "down",
            b"Service",
            metadata(),
            Status::InternalFailure,
        )
        .number(0),
        grpc(
            case("bad_argument/service"),
            "cluster",
            b"\xff",
            metadata(),
            Status::BadArgument,
        )
        .differs("the specification has no status for a name that can't be sent"),
        grpc(
            case("bad_argument/metadata"),
            "cluster",
            b"Service",
            vec![0xff; 4],
            Status::BadArgument,
        )
        .differs("the specification has no status for metadata that can't be sent"),
        grpc(
            grpc(
                case("internal_failure/too_many"),
                "cluster",
                b"Service",
                metadata(),
                Status::Ok,
            )
            .given(|given| given.callouts = 1),
            "cluster",
            b"Service",
            metadata(),
            Status::InternalFailure,
        )
        .differs(BOUND),
    ]);
    cases
}

fn streaming() -> Vec<Case> {
    let function = F::ProxyGrpcSend;
    let opening = "grpc stream cluster Service/Method []";
    let mut cases = with_bad_pointers(
        send(opened(function, "ok"), OPENED, "hello", 0, Status::Ok)
            .then(Effect::Called(vec![opening, "send 6 hello false"])),
    );
    cases.extend([
        send(opened(function, "ok/the_last_one"), OPENED, "bye", 1, Status::Ok)
            .then(Effect::Called(vec![opening, "send 6 bye true"])),
        send(
            send(
                opened(function, "ok/after_the_last_one"),
                OPENED,
                "bye",
                1,
                Status::Ok,
            ),
            OPENED,
            "again",
            0,
            Status::Ok,
        )
        .then(Effect::Called(vec![opening, "send 6 bye true"]))
        .differs("as on Envoy: a message for nobody is none"),
        send(
            opened(function, "bad_argument"),
            CALL,
            "hello",
            0,
            Status::BadArgument,
        ),
        send(
            opened(function, "bad_argument/kind"),
            UNKNOWN_KIND,
            "hello",
            0,
            Status::BadArgument,
        ),
        send(
            opened(function, "not_found"),
            UNKNOWN,
            "hello",
            0,
            Status::NotFound,
        ),
        send(
            opened(function, "not_found/of_another_context").call(
                F::ProxySetEffectiveContext,
                [num(ROOT)],
                Status::Ok,
            ),
            OPENED,
            "hello",
            0,
            Status::NotFound,
        ),
        send(
            opened(function, "internal_failure"),
            OPENED,
            TOO_MUCH,
            0,
            Status::InternalFailure,
        )
        .differs(BOUND),
    ]);
    for function in [F::ProxyGrpcCancel, F::ProxyGrpcClose] {
        let end = |case: Case, id: u32, returns: Status| case.call(function, [num(id)], returns);
        let said = match function {
            F::ProxyGrpcCancel => "cancel 6",
            _ => "close 6",
        };
        let called = |name: &str| under_way(F::ProxyGrpcCall, Case::of(function, name));
        let unary = "grpc call cluster Service/Method [] message None";
        cases.extend([
            end(opened(function, "ok"), OPENED, Status::Ok).then(Effect::Called(vec![opening, said])),
            end(called("ok/call"), CALL, Status::Ok).then(Effect::Called(vec![unary, "cancel 5"])),
            end(opened(function, "bad_argument"), HTTP, Status::BadArgument),
            end(
                opened(function, "bad_argument/kind"),
                UNKNOWN_KIND,
                Status::BadArgument,
            ),
            end(opened(function, "not_found"), UNKNOWN, Status::NotFound),
            end(
                end(called("not_found/a_second_time"), CALL, Status::Ok),
                CALL,
                Status::NotFound,
            ),
        ]);
    }
    cases
}

/// What callouts bring, in the callbacks that tell of it.
fn hearing() -> Vec<Case> {
    let params = |case: Case, params: &[u32]| {
        (0..)
            .zip(params)
            .fold(case, |case, (at, value)| case.step(Step::Param(at, *value)))
    };
    let bytes = |case: Case, buffer: u32, expected: &str| {
        let args = [buffer, 0, u32::MAX].map(num).into_iter().chain(out());
        case.call(F::ProxyGetBufferBytes, args, Status::Ok).out(expected)
    };
    let headers = |case: Case, map: u32, expected: &[(&str, &str)]| {
        let args = [num(map)].into_iter().chain(out());
        case.call(F::ProxyGetHeaderMapPairs, args, Status::Ok)
            .out(pairs(expected))
    };
    let status = |case: Case, returns: Status| {
        let args: Vec<Arg> = [num(NUMBER)].into_iter().chain(out()).collect();
        case.call(F::ProxyGetStatus, args, returns)
    };
    let asking = |name: &str| {
        let case = Case::new(name).during(C::ProxyOnRequestHeaders);
        http(case, "cluster", pairs(&REQUEST), Status::Ok).during(C::ProxyOnHttpCallResponse)
    };
    let heard = params(
        asking("proxy_on_http_call_response/called"),
        &[ROOT, HTTP, 2, 5, 1],
    );
    let heard = bytes(headers(heard, 6, &[(":status", "200"), ("k", "v")]), 4, "reply");
    let mut cases = vec![
        headers(heard, 7, &[("t", "1")]),
        params(
            asking("proxy_on_http_call_response/failed"),
            &[ROOT, HTTP, 0, 0, 0],
        )
        .given(|given| given.unanswered = true),
        asking("proxy_on_http_call_response/read_only")
            .call(
                F::ProxyAddHeaderMapValue,
                [num(6), data("a"), data("b")],
                Status::BadArgument,
            )
            .call(
                F::ProxySetBufferBytes,
                [num(4), num(0), num(0), data("x")],
                Status::BadArgument,
            ),
    ];
    let starting = |function: F, name: &str| {
        let case = Case::new(name).during(C::ProxyOnRequestHeaders);
        under_way(function, case)
    };
    let calling = |name: &str| starting(F::ProxyGrpcCall, name);
    let streaming = |name: &str| starting(F::ProxyGrpcStream, name);
    let first =
        calling("proxy_on_grpc_receive_initial_metadata/called").during(C::ProxyOnGrpcReceiveInitialMetadata);
    let message = calling("proxy_on_grpc_receive/called").during(C::ProxyOnGrpcReceive);
    let last = streaming("proxy_on_grpc_receive_trailing_metadata/called")
        .during(C::ProxyOnGrpcReceiveTrailingMetadata);
    let closed = streaming("proxy_on_grpc_close/called").during(C::ProxyOnGrpcClose);
    let failed = calling("proxy_on_grpc_close/failed")
        .given(|given| given.unanswered = true)
        .during(C::ProxyOnGrpcClose);
    cases.extend([
        headers(params(first, &[ROOT, CALL, 1]), 4, &[("i", "1")]),
        bytes(params(message, &[ROOT, CALL, 7]), 5, "message"),
        headers(params(last, &[ROOT, OPENED, 2]), 5, &[("t", "1"), ("u", "2")]),
        params(closed, &[ROOT, OPENED, 0]),
        status(params(failed, &[ROOT, CALL, 14]), Status::Ok)
            .number(14)
            .out("down"),
    ]);
    let of = |name: &str| {
        under_way(F::ProxyGrpcCall, Case::of(F::ProxyGetStatus, name))
            .given(|given| given.unanswered = true)
            .during(C::ProxyOnGrpcClose)
    };
    let good = status(of("ok/of_a_call"), Status::Ok);
    cases.push(good.clone().number(14).out("down"));
    cases.extend(failing_allocators(&good));
    cases.push(status(
        // From the stream to the root context, which is the one that is told.
        of("internal_failure/the_allocator_changes_the_context")
            .call(F::ProxySetEffectiveContext, [num(STREAM)], Status::Ok)
            .allocator(Allocator::Switching),
        Status::InternalFailure,
    ));
    cases
}
