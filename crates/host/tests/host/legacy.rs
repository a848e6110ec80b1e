//! What is different for plugins of ABI 0.1.0, and 0.2.0.

use enginebay_host::abi::{AbiVersion, StreamType};

use crate::fixture::{Guest, OUT, Run, Stream, on_each, status};

const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];

#[test]
fn headers_callbacks_have_two_parameters() {
    on_each(|bay| {
        let mut guest = Guest::of(AbiVersion::V0_1_0);
        for export in ["proxy_on_request_headers", "proxy_on_response_headers"] {
            let body = "(call $n (local.get $stream_context_id)) (call $n (local.get $num_headers))";
            guest = guest.returning(export, body, "(i32.const 1)");
        }
        let (vm, root) = bay.started(&guest);
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        let all = "STOP_ALL_ITERATION_AND_WATERMARK";
        assert_eq!(vm.on_request_headers(id, 4, true).unwrap().name(), all);
        assert_eq!(vm.on_response_headers(id, 5, true).unwrap().name(), all);
        assert_eq!(bay.platform.reports(), ["2", "4", "2", "5"]);
    });
}

#[test]
fn a_missing_header_is_an_empty_one() {
    on_each(|bay| {
        for (version, missing) in [
            (AbiVersion::V0_1_0, "0"),
            (AbiVersion::V0_2_0, "1"),
            (AbiVersion::V0_2_1, "1"),
        ] {
            let mut guest = Guest::of(version);
            let [key, size] = guest.put("missing");
            let get = |map| status("proxy_get_header_map_value", &[map, key, size, AT, LEN]);
            let dirty =
                "(i32.store (i32.const 8) (i32.const 3)) (i32.store (i32.const 12) (i32.const 3))".to_owned();
            let guest = guest
                .on_request(&[dirty, get(0), get(2)])
                .on("proxy_on_log", get(2));
            bay.platform.clear();
            let Run { vm, id, .. } = bay.run(&guest, Stream::plain());
            vm.on_log(id).unwrap();
            assert_eq!(bay.platform.reports(), [missing, "2", missing], "{version}");
        }
        let mut guest = Guest::of(AbiVersion::V0_1_0);
        let [key, size] = guest.put("missing");
        let steps = [
            "(i32.store (i32.const 8) (i32.const 3)) (i32.store (i32.const 12) (i32.const 3))".to_owned(),
            status("proxy_get_header_map_value", &[0, key, size, AT, LEN]),
            "(call $n (i32.load (i32.const 8))) (call $n (i32.load (i32.const 12)))".to_owned(),
        ];
        bay.platform.clear();
        assert_eq!(bay.reports(&guest.on_request(&steps)), ["0", "0", "0"]);
    });
}

#[test]
fn the_configuration_is_that_of_the_callback() {
    on_each(|bay| {
        let get = status("proxy_get_configuration", &[AT, LEN]) + "(call $out)";
        let guest = Guest::of(AbiVersion::V0_1_0)
            .on("proxy_on_vm_start", &get)
            .on("proxy_on_configure", &get)
            .on_request(std::slice::from_ref(&get));
        assert_eq!(
            bay.reports(&guest),
            [
                "0",
                "vm configuration",
                "0",
                "plugin configuration",
                "0",
                "plugin configuration"
            ]
        );
        // The buffers of later versions are there too.
        let steps = [status("proxy_get_buffer_bytes", &[6, 0, 2, AT, LEN]) + "(call $out)"];
        bay.platform.clear();
        let guest = Guest::of(AbiVersion::V0_1_0).on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "vm"]);
    });
}

#[test]
fn streams_are_continued_by_name() {
    on_each(|bay| {
        let steps = [
            status("proxy_continue_response", &[]),
            status("proxy_continue_request", &[]),
            status("proxy_clear_route_cache", &[]),
        ];
        let guest = Guest::of(AbiVersion::V0_1_0)
            .on("proxy_on_configure", steps.concat())
            .on_request(&steps);
        let Run { vm, id, .. } = bay.run(&guest, Stream::plain());
        assert_eq!(bay.platform.reports(), ["0"; 6]);
        let stream = vm.stream(id).unwrap();
        assert_eq!(
            stream.continued,
            [StreamType::HttpResponse, StreamType::HttpRequest]
        );
        assert_eq!(stream.routes_cleared, 1);
    });
}
