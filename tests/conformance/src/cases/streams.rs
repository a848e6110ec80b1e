//! Sections "Common stream operations" and "HTTP": going on, closing, answering.

use enginebay::abi::{Callback as C, HostFunction as F, LogLevel, Status, StreamType};

use super::contexts::ROOT;
use super::{pairs, with_bad_pointers};
use crate::case::{Arg, Case, Effect, NUMBER, Step, data, num, out};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = going_on();
    cases.extend(closing());
    cases.extend(answering());
    let get = [num(NUMBER)].into_iter().chain(out());
    cases.extend(with_bad_pointers(
        Case::of(F::ProxyGetStatus, "ok")
            .call(F::ProxyGetStatus, get, Status::Ok)
            .number(0)
            .out(""),
    ));
    cases
}

fn going_on() -> Vec<Case> {
    let mut cases = Vec::new();
    for (function, stream) in [
        (F::ProxyContinueRequest, StreamType::HttpRequest),
        (F::ProxyContinueResponse, StreamType::HttpResponse),
    ] {
        let case = |name: &str| Case::of(function, name);
        cases.extend([
            case("ok")
                .call(function, [], Status::Ok)
                .then(Effect::Continued(vec![stream])),
            case("ok/of_a_root_context")
                .during(C::ProxyOnConfigure)
                .call(function, [], Status::Ok)
                .then(Effect::Continued(vec![])),
            case("unimplemented")
                .given(|given| given.bare = true)
                .call(function, [], Status::Unimplemented),
        ]);
    }
    let clear = F::ProxyClearRouteCache;
    cases.extend([
        Case::of(clear, "ok")
            .call(clear, [], Status::Ok)
            .then(Effect::RouteCleared),
        Case::of(clear, "ok/of_a_root_context")
            .during(C::ProxyOnConfigure)
            .call(clear, [], Status::Ok),
    ]);

    let function = F::ProxyContinueStream;
    let case = |name: &str| Case::of(function, name);
    for stream in StreamType::ALL {
        let name = stream.name().to_lowercase();
        let number = num(stream.as_u32());
        let of_root = match stream {
            StreamType::Upstream => ("unimplemented", Status::Unimplemented),
            _ => ("ok", Status::Ok),
        };
        cases.extend([
            case(&format!("ok/{name}"))
                .call(function, [number.clone()], Status::Ok)
                .then(Effect::Continued(vec![*stream])),
            case(&format!("{}/{name}_of_a_root_context", of_root.0))
                .during(C::ProxyOnConfigure)
                .call(function, [number.clone()], of_root.1)
                .then(Effect::Continued(vec![])),
            case(&format!("unimplemented/{name}_of_a_stream_that_cannot"))
                .given(|given| given.bare = true)
                .call(function, [number], Status::Unimplemented),
        ]);
    }
    for (name, number) in [("bad_argument", 4), ("bad_argument/negative", u32::MAX)] {
        cases.push(
            case(name)
                .call(function, [num(number)], Status::BadArgument)
                .then(Effect::Untouched),
        );
    }
    cases
}

fn closing() -> Vec<Case> {
    let function = F::ProxyCloseStream;
    let case = |name: &str| Case::of(function, name);
    let mut cases = Vec::new();
    for stream in StreamType::ALL {
        let name = stream.name().to_lowercase();
        let number = num(stream.as_u32());
        cases.extend([
            case(&format!("ok/{name}"))
                .call(function, [number.clone()], Status::Ok)
                .then(Effect::Closed(vec![*stream])),
            case(&format!("ok/{name}_of_a_root_context"))
                .during(C::ProxyOnConfigure)
                .call(function, [number], Status::Ok)
                .then(Effect::Closed(vec![])),
        ]);
    }
    for (name, number) in [("bad_argument", 4), ("bad_argument/negative", u32::MAX)] {
        cases.push(
            case(name)
                .call(function, [num(number)], Status::BadArgument)
                .then(Effect::Untouched),
        );
    }
    cases
}

fn answering() -> Vec<Case> {
    let function = F::ProxySendLocalResponse;
    let case = |name: &str| Case::of(function, name);
    let args = |headers: Vec<u8>, grpc: u32| -> Vec<Arg> {
        vec![
            num(403),
            data("because"),
            data("denied"),
            data(headers),
            num(grpc),
        ]
    };
    let empty: Vec<Arg> = [204, 0, 0, 0, 0, 0, 0, u32::MAX].map(num).into();
    let sent = |headers: Vec<(&'static str, &'static str)>, grpc: Option<u32>| {
        Effect::Local(403, "because", "denied", headers, grpc)
    };
    let mut cases = with_bad_pointers(
        case("ok")
            .call(function, args(pairs(&[("x-why", "so")]), u32::MAX), Status::Ok)
            .then(sent(vec![("x-why", "so")], None)),
    );
    cases.extend([
        case("ok/with_a_grpc_status")
            .call(function, args(Vec::new(), 16), Status::Ok)
            .then(sent(vec![], Some(16))),
        case("ok/of_nothing_but_a_status")
            .call(function, empty.clone(), Status::Ok)
            .then(Effect::Local(204, "", "", vec![], None)),
        case("ok/without_its_bad_headers")
            .call(
                function,
                args(pairs(&[("a b", ""), ("c", "d")]), u32::MAX),
                Status::Ok,
            )
            .then(sent(vec![("c", "d")], None))
            .differs("Envoy sends them"),
        case("ok/of_a_root_context")
            .during(C::ProxyOnConfigure)
            .call(function, empty.clone(), Status::Ok)
            .then(Effect::Logged(
                LogLevel::Warn,
                "proxy_send_local_response: there is no request to answer in this context",
            ))
            .differs("as on Envoy, which doesn't log it: SDKs take any status but OK for a crash"),
        case("ok/after_the_context_was_changed")
            .call(F::ProxySetEffectiveContext, [num(ROOT)], Status::Ok)
            .call(F::ProxySetEffectiveContext, [num(0)], Status::Ok)
            .call(function, empty.clone(), Status::Ok)
            .then(Effect::Local(204, "", "", vec![], None)),
        case("bad_argument")
            .given(|given| given.bare = true)
            .call(function, empty.clone(), Status::BadArgument)
            .differs("the specification has no status for a stream that can't be answered"),
        // Whatever the callback returns.
        case("ok/in_a_body")
            .during(C::ProxyOnRequestBody)
            .step(Step::Return(3))
            .call(function, empty, Status::Ok),
    ]);
    cases
}
