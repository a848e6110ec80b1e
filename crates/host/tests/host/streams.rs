//! Going on, closing, answering.

use enginebay_host::abi::{LogLevel, StreamType, pairs};

use crate::fixture::{Guest, OUT, Run, Stream, on_each, status};

#[test]
fn continuing_and_closing() {
    on_each(|bay| {
        for function in ["proxy_continue_stream", "proxy_close_stream"] {
            let steps: Vec<_> = [0, 1, 2, 3, 4, u32::MAX]
                .map(|stream| status(function, &[stream]))
                .into();
            let guest = Guest::new()
                .on("proxy_on_configure", steps.concat())
                .on_request(&steps);
            bay.platform.clear();
            let Run { vm, id, result } = bay.run(&guest, Stream::plain());
            assert_eq!(result.unwrap().name(), "CONTINUE");
            // A root context has no stream.
            let root = match function {
                "proxy_continue_stream" => ["0", "0", "0", "12", "2", "2"],
                _ => ["0", "0", "0", "0", "2", "2"],
            };
            assert_eq!(bay.platform.reports()[..6], root);
            assert_eq!(bay.platform.reports()[6..], ["0", "0", "0", "0", "2", "2"]);
            let stream = vm.stream(id).unwrap();
            let asked = match function {
                "proxy_continue_stream" => &stream.continued,
                _ => &stream.closed,
            };
            assert_eq!(asked, StreamType::ALL);
        }
    });
}

#[test]
fn a_local_response_stops_the_stream_whatever_the_callback_returns() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [details, details_len] = guest.put("because");
        let [body, body_len] = guest.put("denied");
        let [headers, headers_len] = guest.put(pairs::encode([("X-Why", "so"), ("x-why", "")]).unwrap());
        let send = |grpc| {
            let args = [
                999,
                details,
                details_len,
                body,
                body_len,
                headers,
                headers_len,
                grpc,
            ];
            status("proxy_send_local_response", &args)
        };
        let mut guest = guest.on("proxy_on_log", send(16));
        for export in [
            "proxy_on_request_headers",
            "proxy_on_response_headers",
            "proxy_on_request_body",
            "proxy_on_response_body",
            "proxy_on_request_trailers",
            "proxy_on_response_trailers",
        ] {
            guest = guest.on(export, send(u32::MAX));
        }
        let (vm, root) = bay.started(&guest);
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        let all = "STOP_ALL_ITERATION_AND_WATERMARK";
        assert_eq!(vm.on_request_headers(id, 0, true).unwrap().name(), all);
        assert_eq!(vm.on_response_headers(id, 0, true).unwrap().name(), all);
        let no_buffer = "STOP_ITERATION_NO_BUFFER";
        assert_eq!(vm.on_request_body(id, 0, true).unwrap().name(), no_buffer);
        assert_eq!(vm.on_response_body(id, 0, true).unwrap().name(), no_buffer);
        assert_eq!(vm.on_request_trailers(id, 0).unwrap().name(), "STOP_ITERATION");
        assert_eq!(vm.on_response_trailers(id, 0).unwrap().name(), "STOP_ITERATION");
        vm.on_log(id).unwrap();
        assert_eq!(bay.platform.reports(), vec!["0"; 7]);
        let stream = vm.stream(id).unwrap();
        assert_eq!(stream.local.len(), 7);
        let first = &stream.local[0];
        assert_eq!(first.status, 999);
        assert_eq!(first.details, b"because");
        assert_eq!(&first.body[..], b"denied");
        assert_eq!(first.grpc_status, None);
        let sent: Vec<_> = first.headers.iter().collect();
        assert_eq!(sent, [(&b"x-why"[..], &b"so"[..]), (b"x-why", b"")]);
        assert_eq!(stream.local[6].grpc_status, Some(16));
    });
}

#[test]
fn a_stop_is_over_with_its_callback() {
    on_each(|bay| {
        let send = status("proxy_send_local_response", &[200, 0, 0, 0, 0, 0, 0, 0]);
        let (vm, root) = bay.started(&Guest::new().on_request(&[send]).on("proxy_on_request_body", ""));
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        vm.on_request_headers(id, 0, true).unwrap();
        assert_eq!(vm.on_request_body(id, 0, true).unwrap().name(), "CONTINUE");
        vm.on_request_headers(id, 0, true).unwrap();
        // Not exported.
        assert_eq!(vm.on_response_body(id, 0, true).unwrap().name(), "CONTINUE");
    });
}

#[test]
fn a_local_response_goes_out_without_its_bad_headers() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let [bad, bad_len] = guest.put(pairs::encode([("a b", ""), ("c", "d")]).unwrap());
        let send = |headers, len| status("proxy_send_local_response", &[200, 0, 0, 0, 0, headers, len, 0]);
        let steps = [send(bad, bad_len), send(bad, bad_len - 1)];
        let guest = guest.on("proxy_on_configure", send(0, 0)).on_request(&steps);
        let Run { vm, id, result } = bay.run(&guest, Stream::plain());
        // A root context has nobody to answer.
        assert_eq!(bay.platform.reports(), ["0", "0", "0"]);
        assert_eq!(bay.platform.logged(LogLevel::Warn).len(), 3);
        assert_eq!(result.unwrap().name(), "STOP_ALL_ITERATION_AND_WATERMARK");
        let stream = vm.stream(id).unwrap();
        let sent: Vec<usize> = stream
            .local
            .iter()
            .map(|response| response.headers.len())
            .collect();
        assert_eq!(sent, [1, 0]);
    });
}

#[test]
fn the_status_of_no_call() {
    on_each(|bay| {
        let [at, len] = OUT;
        let steps = [
            "(i32.store (i32.const 16) (i32.const 5)) (i32.store (i32.const 8) (i32.const 5))".to_owned(),
            status("proxy_get_status", &[16, at, len]),
            "(call $n (i32.load (i32.const 16))) (call $n (i32.load (i32.const 8))) (call $out)".to_owned(),
        ];
        assert_eq!(bay.reports(&Guest::new().on_request(&steps)), ["0", "0", "0", ""]);
    });
}
