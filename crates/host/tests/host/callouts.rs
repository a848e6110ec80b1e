//! HTTP calls, gRPC calls and gRPC streams.

use std::time::Duration;

use bytes::Bytes;
use enginebay_host::abi::{AbiVersion, LogLevel, pairs};
use enginebay_host::{Body, CalloutId, ContextId, HeaderMap, HttpCall, HttpCallResponse, Vm};

use crate::fixture::{Bay, Guest, OUT, Sent, Stream, call, on_each, status};

/// Where numbers of callouts are returned to.
const ID: u32 = 16;
const REQUIRED: [(&str, &str); 3] = [(":method", "GET"), (":path", "/"), (":authority", "a")];

fn serialized(headers: &[(&str, &str)]) -> Vec<u8> {
    let pairs = headers
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    pairs::encode(pairs).unwrap()
}

fn map(headers: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        map.add(name, value).unwrap();
    }
    map
}

fn text(map: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    map.iter()
        .map(|(name, value)| (text(name), text(value)))
        .collect()
}

/// Arguments of `proxy_http_call`.
fn http_args(guest: &mut Guest, upstream: &str, headers: &[(&str, &str)], timeout: u32) -> Vec<u32> {
    let parts = [
        guest.put(upstream),
        guest.put(serialized(headers)),
        guest.put("body"),
        guest.put(serialized(&[("t", "1")])),
    ];
    let mut args = parts.concat();
    args.extend([timeout, ID]);
    args
}

fn http_call(guest: &mut Guest, upstream: &str, headers: &[(&str, &str)], timeout: u32) -> String {
    let args = http_args(guest, upstream, headers, timeout);
    status("proxy_http_call", &args)
}

fn grpc_call(guest: &mut Guest, upstream: impl AsRef<[u8]>, timeout: u32) -> String {
    let parts = [
        guest.put(upstream),
        guest.put("pkg.Service"),
        guest.put("Method"),
        guest.put(serialized(&[("m", "1")])),
        guest.put("message"),
    ];
    let mut args = parts.concat();
    args.extend([timeout, ID]);
    status("proxy_grpc_call", &args)
}

fn grpc_stream(guest: &mut Guest, upstream: &str) -> String {
    let parts = [
        guest.put(upstream),
        guest.put("pkg.Service"),
        guest.put("Method"),
        guest.put(serialized(&[])),
    ];
    let mut args = parts.concat();
    args.push(ID);
    status("proxy_grpc_stream", &args)
}

/// Goes back to the stream that made a call: what comes of it is told to the root context.
const ON_STREAM: &str = "(drop (call $proxy_set_effective_context (i32.const 2)))";

/// Reports the number returned.
fn number() -> String {
    format!("(call $n (i32.load (i32.const {ID})))")
}

/// Reports all that a guest can read of a header map.
fn read_map(guest: &mut Guest, map: u32, name: &str) -> String {
    let [name, len] = guest.put(name);
    [
        status("proxy_get_header_map_size", &[map, 24]),
        status("proxy_get_header_map_value", &[map, name, len, OUT[0], OUT[1]]),
        "(call $out)".to_owned(),
        status("proxy_add_header_map_value", &[map, name, len, name, len]),
        status("proxy_remove_header_map_value", &[map, name, len]),
        status("proxy_set_header_map_pairs", &[map, name, 0]),
    ]
    .concat()
}

fn read_buffer(buffer: u32) -> String {
    [
        status("proxy_get_buffer_bytes", &[buffer, 0, 100, OUT[0], OUT[1]]),
        "(call $out)".to_owned(),
        status("proxy_set_buffer_bytes", &[buffer, 0, 0, OUT[0], 0]),
    ]
    .concat()
}

/// A stream whose request headers the guest saw.
fn requested(bay: &Bay, guest: &Guest) -> (Vm<Stream>, ContextId, ContextId) {
    let (vm, root) = bay.started(guest);
    let stream = vm.create_stream(root, Stream::plain()).unwrap();
    vm.on_request_headers(stream, 1, true).unwrap();
    (vm, root, stream)
}

/// What was sent, as text without the details.
fn sent(bay: &Bay) -> Vec<String> {
    let sent = bay.platform.sent.borrow();
    let line = |sent: &Sent| match sent {
        Sent::Http(id, _) => format!("http {}", id.get()),
        Sent::Call(id, ..) => format!("call {}", id.get()),
        Sent::Stream(id, _) => format!("stream {}", id.get()),
        Sent::Message(id, message, end) => format!("message {} {message:?} {end}", id.get()),
        Sent::Close(id) => format!("close {}", id.get()),
        Sent::Cancel(id) => format!("cancel {}", id.get()),
    };
    sent.iter().map(line).collect()
}

fn first_id(bay: &Bay) -> CalloutId {
    match bay.platform.sent.borrow()[0] {
        Sent::Http(id, _) | Sent::Call(id, ..) | Sent::Stream(id, _) => id,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn an_http_call_goes_out_as_given_and_its_response_is_read_in_the_callback() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let headers = [REQUIRED.as_slice(), &[("x", "y")]].concat();
        let request = [http_call(&mut guest, "up", &headers, 1500), number()];
        let mut told = String::new();
        for param in [
            "plugin_context_id",
            "call_id",
            "num_headers",
            "body_size",
            "num_trailers",
        ] {
            told += &format!("(call $n (local.get ${param}))");
        }
        told += &read_map(&mut guest, 6, ":status");
        told += &read_map(&mut guest, 7, "trailer");
        told += &read_buffer(4);
        let guest = guest
            .on_request(&request)
            .on("proxy_on_http_call_response", told)
            .on("proxy_on_request_body", read_buffer(4));
        let (vm, root, stream) = requested(bay, &guest);
        assert_eq!(bay.platform.reports(), ["0", "4"]);
        let Sent::Http(id, call) = bay.platform.sent.borrow_mut().remove(0) else {
            panic!();
        };
        let HttpCall {
            upstream,
            headers,
            body,
            trailers,
            timeout,
        } = call;
        assert_eq!((upstream.as_str(), &body[..]), ("up", &b"body"[..]));
        assert_eq!(text(&headers).len(), 4);
        assert_eq!(text(&trailers), [("t".to_owned(), "1".to_owned())]);
        assert_eq!(timeout, Some(Duration::from_millis(1500)));
        assert_eq!(vm.callout_count(), 1);

        bay.platform.clear();
        let mut body = Body::new();
        body.push(Bytes::from_static(b"hel"));
        body.push(Bytes::from_static(b"lo"));
        let response = HttpCallResponse {
            headers: map(&[(":status", "204"), ("a", "b")]),
            body,
            trailers: map(&[("trailer", "value")]),
        };
        vm.on_http_call_response(id, Some(response)).unwrap();
        // It is told to the root context.
        let context = root.get().to_string();
        let expected = [
            &[&*context, "4", "2", "5", "1"][..],
            &["0", "0", "204", "2", "2", "2"],
            &["0", "0", "value", "2", "2", "2"],
            &["0", "hello", "2"],
        ];
        assert_eq!(bay.platform.reports(), expected.concat());
        assert_eq!(vm.callout_count(), 0);
        // It comes once, and its buffer is gone with the callback.
        bay.platform.clear();
        vm.on_http_call_response(id, None).unwrap();
        vm.on_request_body(stream, 0, true).unwrap();
        assert_eq!(bay.platform.reports()[0], "1");
    });
}

#[test]
fn a_call_without_a_response_has_no_headers() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [http_call(&mut guest, "up", &REQUIRED, 0)];
        let told = "(call $n (local.get $num_headers)) (call $n (local.get $body_size))".to_owned();
        let told = told + &status("proxy_get_header_map_size", &[6, 24]);
        let guest = guest.on_request(&steps).on("proxy_on_http_call_response", told);
        let (vm, ..) = requested(bay, &guest);
        vm.on_http_call_response(first_id(bay), None).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "0", "0", "0"]);
        let sent = bay.platform.sent.borrow();
        assert!(matches!(&sent[0], Sent::Http(_, HttpCall { timeout: None, .. })));
    });
}

#[test]
fn bad_http_calls_are_refused_with_a_status() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let mut steps = vec![
            http_call(&mut guest, "nowhere", &REQUIRED, 0),
            http_call(&mut guest, "broken", &REQUIRED, 0),
        ];
        for missing in 0..3 {
            let mut headers = REQUIRED.to_vec();
            headers.remove(missing);
            steps.push(http_call(&mut guest, "up", &headers, 0));
        }
        let mut args = http_args(&mut guest, "up", &REQUIRED, 0);
        args[3] -= 1;
        steps.push(status("proxy_http_call", &args));
        let mut args = http_args(&mut guest, "\u{e9}", &REQUIRED, 0);
        args[1] = 1;
        steps.push(status("proxy_http_call", &args));
        let guest = guest.on_request(&steps);
        let (vm, ..) = requested(bay, &guest);
        assert_eq!(bay.platform.reports(), ["2", "10", "2", "2", "2", "2", "2"]);
        assert!(bay.platform.sent.borrow().is_empty());
        assert_eq!(vm.callout_count(), 0);
    });
}

#[test]
fn a_context_has_a_bounded_number_under_way() {
    on_each(|bay| {
        let mut limits = bay.platform.limits.get();
        limits.callouts = 2;
        bay.platform.limits.set(limits);
        let mut guest = Guest::new();
        let one = http_call(&mut guest, "up", &REQUIRED, 0);
        let steps = [one.clone(), grpc_stream(&mut guest, "up"), one.clone(), number()];
        let guest = guest.on_request(&steps).on("proxy_on_tick", &one).on(
            "proxy_on_configure",
            call("proxy_set_tick_period_milliseconds", &[1]).replace("(call", "(drop (call") + ")",
        );
        let (vm, root, _) = requested(bay, &guest);
        assert_eq!(bay.platform.reports(), ["0", "0", "10", "0"]);
        let warned = bay.logged(LogLevel::Warn);
        assert_eq!(
            warned,
            ["a callout was not sent: the context has 2 of them under way"]
        );
        // Others have their own.
        vm.on_tick(root).unwrap();
        assert_eq!(bay.platform.reports().last().unwrap(), "0");
        assert_eq!(vm.callout_count(), 3);
    });
}

#[test]
fn what_is_under_way_of_a_context_has_a_bounded_size() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let http = http_call(&mut guest, "up", &REQUIRED, 0);
        let grpc = grpc_call(&mut guest, "up", 0);
        // `up`, 27 bytes of headers, `body`, `t` and `1`; `up`, the names, `m` and `1`, `message`, of which a stream
        // has no metadata and no message here.
        let (of_http, of_grpc) = (2 + 27 + 4 + 2, 2 + 11 + 6 + 2 + 7);
        let mut limits = bay.platform.limits.get();
        assert_eq!(limits.callout_bytes, 256 << 20);
        limits.callout_bytes = of_http + 2 * of_grpc;
        bay.platform.limits.set(limits);
        let stream = grpc_stream(&mut guest, "up");
        let steps = [http.clone(), grpc.clone(), http.clone(), grpc.clone(), stream];
        let guest = guest.on_request(&steps).on(
            "proxy_on_http_call_response",
            ON_STREAM.to_owned() + &grpc + &grpc + &http,
        );
        let (vm, root, _) = requested(bay, &guest);
        assert_eq!(bay.platform.reports(), ["0", "0", "10", "0", "10"]);
        let warning = |sum, most| {
            format!(
                "a callout was not sent: the context would have {sum} bytes of them under way; at most {most} are \
                 allowed"
            )
        };
        let most = limits.callout_bytes;
        assert_eq!(
            bay.logged(LogLevel::Warn),
            [
                warning(2 * of_http + of_grpc, most),
                warning(most + of_grpc - 9, most)
            ]
        );
        bay.platform.clear();
        // What is over makes room, and others have their own.
        vm.on_http_call_response(first_id(bay), None).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "10", "10"]);
        bay.platform.clear();
        let other = vm.create_stream(root, Stream::plain()).unwrap();
        vm.on_request_headers(other, 1, true).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "0", "10", "0", "10"]);
        assert_eq!(vm.callout_count(), 6);
    });
}

#[test]
fn metadata_of_a_grpc_service_is_bounded() {
    on_each(|bay| {
        let mut limits = bay.platform.limits.get();
        limits.headers.entries = 3;
        bay.platform.limits.set(limits);
        let mut guest = Guest::new();
        // One is given with the call, and one is in the message.
        let more = |n| [GRPC_SERVICE, &b"\x2a\x03\x0a\x01k".repeat(n)].concat();
        let steps = [
            grpc_call(&mut guest, more(1), 0),
            grpc_call(&mut guest, more(2), 0),
        ];
        requested(bay, &guest.on_request(&steps));
        assert_eq!(bay.platform.reports(), ["0", "2"]);
    });
}

#[test]
fn callouts_go_with_their_context() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            http_call(&mut guest, "up", &REQUIRED, 0),
            grpc_call(&mut guest, "up", 0),
            grpc_stream(&mut guest, "up"),
        ];
        let guest = guest
            .on_request(&steps)
            .on("proxy_on_http_call_response", "(unreachable)");
        let (vm, root, stream) = requested(bay, &guest);
        let other = vm.create_stream(root, Stream::plain()).unwrap();
        vm.on_request_headers(other, 1, true).unwrap();
        let (id, of_other) = {
            let sent = bay.platform.sent.borrow();
            let id = |sent: &Sent| match sent {
                Sent::Http(id, _) => *id,
                other => panic!("{other:?}"),
            };
            (id(&sent[0]), id(&sent[3]))
        };
        bay.platform.sent.borrow_mut().clear();
        vm.finish(stream).unwrap();
        let mut cancelled = sent(bay);
        cancelled.sort();
        assert_eq!(cancelled, ["cancel 4", "cancel 5", "cancel 6"]);
        // Too late for the plugin.
        vm.on_http_call_response(id, None).unwrap();
        assert_eq!(vm.callout_count(), 3);

        // And with their VM when that fails.
        bay.platform.sent.borrow_mut().clear();
        vm.on_http_call_response(of_other, None).unwrap_err();
        let mut cancelled = sent(bay);
        cancelled.sort();
        assert_eq!(cancelled, ["cancel 10", "cancel 9"]);
        assert_eq!(vm.callout_count(), 0);
        vm.finish(other).unwrap_err();
    });
}

#[test]
fn a_plugin_that_asks_to_wait_keeps_its_callouts() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [http_call(&mut guest, "up", &REQUIRED, 0)];
        let guest = guest
            .on_request(&steps)
            .returning("proxy_on_done", "", "(i32.const 0)")
            .on(
                "proxy_on_http_call_response",
                ON_STREAM.to_owned() + &status("proxy_done", &[]),
            );
        let (vm, _, stream) = requested(bay, &guest);
        vm.finish(stream).unwrap();
        assert_eq!((vm.callout_count(), vm.context_count()), (1, 2));
        vm.on_http_call_response(first_id(bay), None).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "0"]);
        assert_eq!((vm.callout_count(), vm.context_count()), (0, 1));
        assert_eq!(sent(bay).len(), 1);
    });
}

#[test]
fn a_grpc_call_brings_a_message_or_a_status() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            grpc_call(&mut guest, "up", 20),
            number(),
            grpc_call(&mut guest, "up", 0),
        ];
        let received = "(call $n (local.get $message_size))".to_owned() + &read_buffer(5);
        let closed = [
            "(call $n (local.get $status_code))".to_owned(),
            status("proxy_get_status", &[16, OUT[0], OUT[1]]),
            "(call $n (i32.load (i32.const 16))) (call $out)".to_owned(),
        ];
        let after = status("proxy_get_status", &[16, OUT[0], OUT[1]])
            + "(call $n (i32.load (i32.const 16))) (call $n (i32.load (i32.const 12)))";
        let guest = guest
            .on_request(&steps)
            .on("proxy_on_grpc_receive", received)
            .on("proxy_on_grpc_close", closed.concat())
            .on("proxy_on_request_body", after);
        let (vm, _, stream) = requested(bay, &guest);
        assert_eq!(bay.platform.reports(), ["0", "5", "0"]);
        let ids: Vec<_> = {
            let sent = bay.platform.sent.borrow();
            let Sent::Call(_, target, message) = &sent[0] else {
                panic!()
            };
            assert_eq!(message, "message");
            assert_eq!(
                (&*target.upstream, &*target.service, &*target.method),
                ("up", "pkg.Service", "Method")
            );
            assert_eq!(text(&target.initial_metadata), [("m".to_owned(), "1".to_owned())]);
            assert_eq!(target.timeout, Some(Duration::from_millis(20)));
            let id = |sent: &Sent| match sent {
                Sent::Call(id, ..) => *id,
                other => panic!("{other:?}"),
            };
            sent.iter().map(id).collect()
        };
        bay.platform.clear();
        vm.on_grpc_receive(ids[0], Bytes::from_static(b"answer")).unwrap();
        // That was all of it.
        vm.on_grpc_close(ids[0], 0, b"").unwrap();
        vm.on_grpc_close(ids[1], 14, b"why").unwrap();
        vm.on_grpc_receive(ids[1], Bytes::from_static(b"late")).unwrap();
        assert_eq!(vm.callout_count(), 0);
        assert_eq!(
            bay.platform.reports(),
            ["6", "0", "answer", "2", "14", "0", "14", "why"]
        );
        bay.platform.clear();
        // The code stays, the message does not.
        vm.on_request_body(stream, 0, true).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "14", "0"]);
    });
}

/// `envoy_grpc { cluster_name: "up" authority: "a" } timeout { seconds: 3 } initial_metadata { key: "k" value: "v" }`.
const GRPC_SERVICE: &[u8] = b"\x0a\x07\x0a\x02up\x12\x01a\x1a\x02\x08\x03\x2a\x06\x0a\x01k\x12\x01v";

#[test]
fn a_grpc_service_message_is_an_upstream_too() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            grpc_call(&mut guest, GRPC_SERVICE, 0),
            grpc_call(&mut guest, "nowhere", 0),
            grpc_call(&mut guest, "broken", 0),
            grpc_stream(&mut guest, "nowhere"),
            grpc_stream(&mut guest, "broken"),
        ];
        let guest = guest.on_request(&steps);
        requested(bay, &guest);
        assert_eq!(bay.platform.reports(), ["0", "4", "10", "4", "10"]);
        let sent = bay.platform.sent.borrow();
        let Sent::Call(_, target, _) = &sent[0] else {
            panic!()
        };
        assert_eq!(
            (&*target.upstream, target.authority.as_deref()),
            ("up", Some("a"))
        );
        assert_eq!(target.timeout, Some(Duration::from_secs(3)));
        let metadata = text(&target.initial_metadata);
        assert_eq!(metadata[1], ("k".to_owned(), "v".to_owned()));
    });
}

fn send(guest: &mut Guest, id: u32, message: &str, end: u32) -> String {
    let [at, len] = guest.put(message);
    status("proxy_grpc_send", &[id, at, len, end])
}

#[test]
fn a_grpc_stream_goes_both_ways_until_both_sides_end_it() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            grpc_stream(&mut guest, "up"),
            number(),
            send(&mut guest, 6, "one", 0),
            // What was lost has not ended the stream either.
            send(&mut guest, 6, "too much", 1),
        ];
        let initial = "(call $n (local.get $num_elements))".to_owned() + &read_map(&mut guest, 4, "i");
        let trailing = "(call $n (local.get $num_elements))".to_owned() + &read_map(&mut guest, 5, "t");
        let body = [
            send(&mut guest, 6, "", 1),
            send(&mut guest, 6, "more", 0),
            status("proxy_grpc_close", &[6]),
        ];
        let guest = guest
            .on_request(&steps)
            .on("proxy_on_request_body", body.concat())
            .on("proxy_on_grpc_receive_initial_metadata", initial)
            .on("proxy_on_grpc_receive", read_buffer(5))
            .on("proxy_on_grpc_receive_trailing_metadata", trailing)
            .on("proxy_on_grpc_close", "(call $n (local.get $status_code))");
        let (vm, _, stream) = requested(bay, &guest);
        let id = first_id(bay);
        assert_eq!(bay.platform.reports(), ["0", "6", "0", "10"]);
        bay.platform.clear();
        vm.on_grpc_receive_initial_metadata(id, map(&[("i", "1")]))
            .unwrap();
        vm.on_grpc_receive(id, Bytes::from_static(b"a")).unwrap();
        vm.on_grpc_receive(id, Bytes::new()).unwrap();
        vm.on_request_body(stream, 0, true).unwrap();
        vm.on_grpc_receive_trailing_metadata(id, map(&[("t", "2")]))
            .unwrap();
        assert_eq!(vm.callout_count(), 1);
        vm.on_grpc_close(id, 0, b"").unwrap();
        assert_eq!(vm.callout_count(), 0);
        let expected = [
            &["1", "0", "0", "1", "2", "2", "2"][..],
            &["0", "a", "2", "0", "", "2"],
            &["0", "0", "0"],
            &["1", "0", "0", "2", "2", "2", "2"],
            &["0"],
        ];
        assert_eq!(bay.platform.reports(), expected.concat());
        {
            let sent = bay.platform.sent.borrow();
            let Sent::Stream(_, target) = &sent[0] else {
                panic!()
            };
            assert_eq!((&*target.method, target.timeout), ("Method", None));
        }
        assert_eq!(
            sent(bay),
            ["stream 6", "message 6 b\"one\" false", "message 6 b\"\" true"]
        );
    });
}

#[test]
fn a_stream_that_the_server_ended_is_still_the_plugins_to_close() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [grpc_stream(&mut guest, "up"), grpc_stream(&mut guest, "up")];
        let body = [
            send(&mut guest, 6, "for nobody", 0),
            status("proxy_grpc_close", &[6]),
            status("proxy_grpc_close", &[6]),
            status("proxy_grpc_cancel", &[10]),
            send(&mut guest, 10, "", 0),
        ];
        let guest = guest
            .on_request(&steps)
            .on("proxy_on_request_body", body.concat());
        let (vm, _, stream) = requested(bay, &guest);
        vm.on_grpc_close(first_id(bay), 0, b"").unwrap();
        assert_eq!(vm.callout_count(), 2);
        bay.platform.clear();
        vm.on_request_body(stream, 0, true).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "0", "1", "0", "1"]);
        assert_eq!(vm.callout_count(), 0);
        assert_eq!(sent(bay), ["stream 6", "stream 10", "cancel 10"]);

        // With the context it goes as quietly.
        vm.on_request_headers(stream, 1, true).unwrap();
        bay.platform.sent.borrow_mut().drain(..3);
        vm.on_grpc_close(first_id(bay), 0, b"").unwrap();
        vm.finish(stream).unwrap();
        assert_eq!(vm.callout_count(), 0);
        assert_eq!(sent(bay), ["stream 14", "stream 18", "cancel 18"]);
    });
}

#[test]
fn grpc_numbers_are_checked() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let mut steps = vec![
            http_call(&mut guest, "up", &REQUIRED, 0),
            grpc_call(&mut guest, "up", 0),
        ];
        for function in ["proxy_grpc_cancel", "proxy_grpc_close"] {
            // Of HTTP, of nothing, unknown call, unknown stream.
            for id in [4, 7, 9, 6] {
                steps.push(status(function, &[id]));
            }
        }
        for id in [4, 5, 7, 6] {
            steps.push(send(&mut guest, id, "", 0));
        }
        let cancel = [
            status("proxy_grpc_cancel", &[5]),
            status("proxy_grpc_close", &[5]),
        ];
        let guest = guest
            .on_request(&steps)
            .on("proxy_on_response_headers", cancel.concat());
        let (vm, root, stream) = requested(bay, &guest);
        let refused = ["2", "2", "1", "1"];
        let expected = [&["0", "0"][..], &refused, &refused, &["2", "2", "2", "1"]];
        assert_eq!(bay.platform.reports(), expected.concat());
        bay.platform.clear();
        // Another context's callout is none of one's own.
        let other = vm.create_stream(root, Stream::plain()).unwrap();
        vm.on_response_headers(other, 1, true).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "1"]);
        vm.on_response_headers(stream, 1, true).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "1", "0", "1"]);
        assert_eq!(sent(bay), ["http 4", "call 5", "cancel 5"]);
    });
}

#[test]
fn the_first_version_has_them_too() {
    on_each(|bay| {
        let mut guest = Guest::of(AbiVersion::V0_1_0);
        let steps = [http_call(&mut guest, "up", &REQUIRED, 1), number()];
        let guest = guest
            .on_request(&steps)
            .on("proxy_on_http_call_response", read_buffer(4));
        let (vm, ..) = requested(bay, &guest);
        vm.on_http_call_response(first_id(bay), None).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "4", "0", "", "2"]);
    });
}
