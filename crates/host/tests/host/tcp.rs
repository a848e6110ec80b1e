//! TCP streams.

use enginebay_host::abi::{AbiVersion, BufferType, PeerType, StreamType};

use crate::fixture::{Guest, OUT, Stream, call, on_each, status};

fn say(names: &[&str]) -> String {
    names
        .iter()
        .map(|name| format!("(call $n (local.get ${name}))"))
        .collect()
}

/// A guest that reports the arguments of every callback of a TCP stream.
fn recorder(version: AbiVersion) -> Guest {
    let mut guest = Guest::of(version);
    for callback in ["proxy_on_downstream_data", "proxy_on_upstream_data"] {
        guest = guest.on(
            callback,
            say(&["stream_context_id", "data_size", "end_of_stream"]),
        );
    }
    for callback in [
        "proxy_on_downstream_connection_close",
        "proxy_on_upstream_connection_close",
    ] {
        guest = guest.on(callback, say(&["stream_context_id", "peer_type"]));
    }
    guest.on("proxy_on_new_connection", say(&["stream_context_id"]))
}

#[test]
fn every_callback_gets_its_arguments() {
    on_each(|bay| {
        for version in [AbiVersion::V0_1_0, AbiVersion::V0_2_0, AbiVersion::V0_2_1] {
            bay.platform.clear();
            let (vm, root) = bay.started(&recorder(version));
            let id = vm.create_stream(root, Stream::default()).unwrap();
            assert_eq!(vm.on_new_connection(id).unwrap().name(), "CONTINUE");
            assert_eq!(vm.on_downstream_data(id, 7, false).unwrap().name(), "CONTINUE");
            assert_eq!(vm.on_upstream_data(id, 0, true).unwrap().name(), "CONTINUE");
            vm.on_upstream_connection_close(id, PeerType::Unknown).unwrap();
            vm.on_downstream_connection_close(id, PeerType::Local).unwrap();
            vm.on_downstream_connection_close(id, PeerType::Remote).unwrap();
            assert_eq!(
                bay.platform.reports().join(" "),
                "2 2 7 0 2 0 1 2 0 2 1 2 2",
                "{version:?}"
            );
        }
    });
}

#[test]
fn any_result_but_zero_pauses() {
    on_each(|bay| {
        for (result, expected) in [
            ("0", "CONTINUE"),
            ("1", "PAUSE"),
            ("2", "PAUSE"),
            ("4", "PAUSE"),
            ("-1", "PAUSE"),
        ] {
            let result = format!("(i32.const {result})");
            let guest = Guest::new()
                .returning("proxy_on_new_connection", "", &result)
                .returning("proxy_on_downstream_data", "", &result)
                .returning("proxy_on_upstream_data", "", &result);
            let (vm, root) = bay.started(&guest);
            let id = vm.create_stream(root, Stream::default()).unwrap();
            assert_eq!(vm.on_new_connection(id).unwrap().name(), expected);
            assert_eq!(vm.on_downstream_data(id, 1, false).unwrap().name(), expected);
            assert_eq!(vm.on_upstream_data(id, 1, false).unwrap().name(), expected);
        }
    });
}

#[test]
fn a_plugin_without_the_callbacks_lets_everything_pass() {
    on_each(|bay| {
        let (vm, root) = bay.started(&Guest::new());
        let id = vm.create_stream(root, Stream::default()).unwrap();
        assert_eq!(vm.on_new_connection(id).unwrap().name(), "CONTINUE");
        assert_eq!(vm.on_downstream_data(id, 1, false).unwrap().name(), "CONTINUE");
        assert_eq!(vm.on_upstream_data(id, 1, false).unwrap().name(), "CONTINUE");
        vm.on_downstream_connection_close(id, PeerType::Remote).unwrap();
        vm.finish_connection(id).unwrap();
        assert_eq!(vm.context_count(), 1);
    });
}

#[test]
fn a_local_response_does_not_stop_a_tcp_stream() {
    on_each(|bay| {
        let send = status("proxy_send_local_response", &[200, 0, 0, 0, 0, 0, 0, 0]);
        let (vm, root) = bay.started(&Guest::new().on("proxy_on_downstream_data", send));
        let id = vm.create_stream(root, Stream::default()).unwrap();
        assert_eq!(vm.on_downstream_data(id, 1, false).unwrap().name(), "CONTINUE");
    });
}

#[test]
fn data_is_read_and_changed_and_streams_are_told() {
    on_each(|bay| {
        let [at, len] = OUT;
        let mut guest = Guest::new();
        let [new, new_len] = guest.put("new");
        let down = BufferType::DownstreamData.as_u32();
        let up = BufferType::UpstreamData.as_u32();
        let steps = [
            status("proxy_get_buffer_bytes", &[down, 1, 3, at, len]),
            "(call $out)".to_owned(),
            status("proxy_get_buffer_bytes", &[up, 0, 9, at, len]),
            status("proxy_set_buffer_bytes", &[down, 0, 2, new, new_len]),
            status("proxy_continue_stream", &[StreamType::Upstream.as_u32()]),
            status("proxy_close_stream", &[StreamType::Downstream.as_u32()]),
        ];
        let guest = guest.on("proxy_on_downstream_data", steps.concat());
        let (vm, root) = bay.started(&guest);
        let stream = Stream::default().body(BufferType::DownstreamData, &["he", "llo"]);
        let id = vm.create_stream(root, stream).unwrap();
        vm.on_downstream_data(id, 5, false).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "ell", "1", "0", "0", "0"]);
        let stream = vm.stream(id).unwrap();
        assert_eq!(&stream.bodies[&down].to_bytes()[..], b"newllo");
        assert_eq!(stream.continued, [StreamType::Upstream]);
        assert_eq!(stream.closed, [StreamType::Downstream]);
    });
}

/// Reports 1 for `proxy_on_done`, 2 for `proxy_on_log`, 3 for `proxy_on_delete`.
fn ending(done: &str, log: &str) -> Guest {
    let number = |n: u32| format!("(call $n (i32.const {n}))");
    Guest::new()
        .returning("proxy_on_done", number(1), done)
        .on("proxy_on_log", number(2) + log)
        .on("proxy_on_delete", number(3))
}

#[test]
fn the_log_of_a_connection_comes_between_done_and_delete() {
    on_each(|bay| {
        let (vm, root) = bay.started(&ending("(i32.const 1)", ""));
        let id = vm.create_stream(root, Stream::default()).unwrap();
        vm.finish_connection(id).unwrap();
        vm.finish_connection(id).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "2", "3"]);
        assert_eq!(vm.context_count(), 1);
    });
}

#[test]
fn a_plugin_may_keep_a_connection_until_it_is_done() {
    on_each(|bay| {
        let done = call("proxy_done", &[]);
        let tick = format!("(drop (call $proxy_set_effective_context (i32.const 2))) (drop {done})");
        let guest = ending("(i32.const 0)", "")
            .on(
                "proxy_on_configure",
                status("proxy_set_tick_period_milliseconds", &[1]),
            )
            .on("proxy_on_tick", tick);
        bay.platform.clear();
        let (vm, root) = bay.started(&guest);
        let id = vm.create_stream(root, Stream::default()).unwrap();
        vm.finish_connection(id).unwrap();
        vm.finish_connection(id).unwrap();
        assert_eq!(vm.context_count(), 2);
        vm.on_tick(root).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "1", "2", "3"]);
        assert_eq!(vm.context_count(), 1);

        bay.platform.clear();
        let (vm, root) = bay.started(&ending("(i32.const 0)", &format!("(drop {done})")));
        let id = vm.create_stream(root, Stream::default()).unwrap();
        vm.finish_connection(id).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "2", "3"]);
        assert_eq!(vm.context_count(), 1);
    });
}

#[test]
fn a_trap_in_any_callback_fails_the_vm_and_leaves_nothing() {
    on_each(|bay| {
        for callback in [
            "proxy_on_new_connection",
            "proxy_on_downstream_data",
            "proxy_on_upstream_data",
            "proxy_on_downstream_connection_close",
            "proxy_on_upstream_connection_close",
            "proxy_on_done",
            "proxy_on_log",
            "proxy_on_delete",
        ] {
            let (vm, root) = bay.started(&Guest::new().on(callback, "(unreachable)"));
            let id = vm.create_stream(root, Stream::default()).unwrap();
            let all = vm
                .on_new_connection(id)
                .and_then(|_| vm.on_downstream_data(id, 1, false))
                .and_then(|_| vm.on_upstream_data(id, 1, true))
                .and_then(|_| vm.on_upstream_connection_close(id, PeerType::Unknown))
                .and_then(|()| vm.on_downstream_connection_close(id, PeerType::Local));
            let ended = vm.finish_connection(id);
            let failure = all.and(ended).unwrap_err();
            assert_eq!(failure.function(), Some(callback));
            assert_eq!(vm.context_count(), 1, "{callback}");
        }
    });
}
