//! From the first instruction to the last callback.

use enginebay_engine::TrapKind;
use enginebay_host::abi::LogLevel;
use enginebay_host::{FailState, PluginConfig};

use crate::fixture::{Guest, Stream, on_each, status};

fn say(number: u32) -> String {
    format!("(call $n (i32.const {number}))")
}

#[test]
fn initialisation_order() {
    on_each(|bay| {
        let all = Guest::new()
            .on("_start", say(1))
            .on("main", say(2))
            .on("_initialize", say(3));
        bay.vm(&all);
        assert_eq!(bay.platform.reports(), ["3", "2"]);
        bay.platform.clear();
        bay.vm(&Guest::new().on("_start", say(1)).on("main", say(2)));
        assert_eq!(bay.platform.reports(), ["1"]);
        bay.platform.clear();
        bay.vm(&Guest::new().on("main", say(2)));
        bay.vm(&Guest::new());
        assert!(bay.platform.reports().is_empty());
    });
}

#[test]
fn initialisation_that_traps() {
    on_each(|bay| {
        for export in ["_initialize", "_start"] {
            let failure = bay
                .try_vm(&Guest::new().on(export, "(unreachable)"))
                .err()
                .unwrap();
            assert_eq!(failure.state(), FailState::UnableToInitializeCode);
            assert_eq!(failure.function(), Some(export));
            assert_eq!(failure.trap().unwrap().kind(), TrapKind::Unreachable);
        }
        let guest = Guest::new().on("_initialize", "").on("main", "(unreachable)");
        assert_eq!(bay.try_vm(&guest).err().unwrap().function(), Some("main"));
        // The module's own start function runs earlier.
        let guest = Guest::new().and("(func $first (unreachable)) (start $first)");
        let failure = bay.try_vm(&guest).err().unwrap();
        assert_eq!(failure.state(), FailState::UnableToCloneVm);
        assert_eq!(failure.trap().unwrap().kind(), TrapKind::Unreachable);
    });
}

#[test]
fn what_needs_no_context_works_during_initialisation() {
    on_each(|bay| {
        bay.vm_config.environment = vec![("KEY".to_owned(), "value".to_owned())];
        let guest = Guest::new();
        let steps = [
            status("environ_sizes_get", &[8, 12]),
            "(call $n (i32.load (i32.const 8))) (call $n (i32.load (i32.const 12)))".to_owned(),
            status("environ_get", &[16, 128]),
            "(call $log (i32.load (i32.const 16)) (i32.const 9))".to_owned(),
        ];
        bay.vm(&guest.on("_initialize", steps.concat()));
        assert_eq!(bay.platform.reports(), ["0", "1", "10", "0", "KEY=value"]);
        assert_eq!(bay.platform.lines()[0], "wasm log my_vm: 0");
    });
}

#[test]
fn what_needs_a_context_is_a_trap_during_initialisation() {
    on_each(|bay| {
        let call = status("proxy_done", &[]);
        let start = "(func $start (drop (call $proxy_done))) (start $start)";
        for guest in [
            Guest::new().on("_initialize", &call),
            Guest::new().on("_start", &call),
            Guest::new().on("_initialize", "").on("main", &call),
            Guest::new().and(start),
        ] {
            let failure = bay.try_vm(&guest).err().unwrap();
            assert!(
                failure
                    .to_string()
                    .contains("proxy_done was called while the module starts"),
                "{failure}"
            );
        }
        assert!(bay.platform.reports().is_empty());
        // Later it is what it always was.
        assert_eq!(bay.reports(&Guest::new().on_request(&[call])), ["1"]);
    });
}

#[test]
fn ids_and_arguments() {
    on_each(|bay| {
        let ids = "(call $n (local.get $context_id)) (call $n (local.get $parent_context_id))";
        let sizes =
            |size: &str| format!("(call $n (local.get $plugin_context_id)) (call $n (local.get ${size}))");
        let guest = Guest::new()
            .on("proxy_on_context_create", ids)
            .on("proxy_on_vm_start", sizes("vm_configuration_size"))
            .on("proxy_on_configure", sizes("plugin_configuration_size"));
        let (vm, root) = bay.started(&guest);
        assert_eq!(root.get(), 1);
        assert_eq!(bay.platform.reports(), ["1", "0", "1", "16", "1", "20"]);
        bay.platform.clear();
        let stream = vm.create_stream(root, Stream::plain()).unwrap();
        assert_eq!(stream.get(), 2);
        assert_eq!(bay.platform.reports(), ["2", "1"]);
        assert_eq!(vm.plugin(stream).unwrap().name, "my_plugin");
        // A second plugin in the same VM.
        let other = PluginConfig {
            name: "other".to_owned(),
            ..PluginConfig::default()
        };
        let other = vm.start_plugin(other).unwrap();
        assert_eq!(other.get(), 3);
        assert_eq!(vm.plugin(other).unwrap().name, "other");
        assert!(vm.stream(other).is_none());
        assert_eq!(vm.context_count(), 3);
    });
}

#[test]
fn a_plugin_that_refuses() {
    on_each(|bay| {
        for (export, state, message) in [
            (
                "proxy_on_vm_start",
                FailState::StartFailed,
                "Failed to start base Wasm: proxy_on_vm_start returned false",
            ),
            (
                "proxy_on_configure",
                FailState::ConfigureFailed,
                "Failed to configure base Wasm plugin: proxy_on_configure returned false",
            ),
        ] {
            let vm = bay.vm(&Guest::new().returning(export, "", "(i32.const 0)"));
            let failure = vm.start_plugin(bay.plugin.clone()).unwrap_err();
            assert_eq!((failure.state(), failure.to_string().as_str()), (state, message));
            assert_eq!(failure.function(), None);
            let vm = bay.vm(&Guest::new().on(export, "(unreachable)"));
            let failure = vm.start_plugin(bay.plugin.clone()).unwrap_err();
            assert_eq!((failure.state(), failure.function()), (state, Some(export)));
            assert_eq!(failure.trap().unwrap().kind(), TrapKind::Unreachable);
        }
        let vm = bay.vm(&Guest::new().on("proxy_on_context_create", "(unreachable)"));
        let failure = vm.start_plugin(bay.plugin.clone()).unwrap_err();
        assert_eq!(failure.state(), FailState::StartFailed);
    });
}

#[test]
fn the_end_of_a_stream() {
    on_each(|bay| {
        let guest = Guest::new()
            .on("proxy_on_delete", say(3))
            .on("proxy_on_done", say(2))
            .on("proxy_on_log", say(1));
        let (vm, root) = bay.started(&guest);
        let stream = vm.create_stream(root, Stream::plain()).unwrap();
        vm.on_log(stream).unwrap();
        vm.finish(stream).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "2", "3"]);
        assert_eq!(vm.context_count(), 1);
        assert!(vm.stream(stream).is_none());
        // Once more changes nothing.
        vm.finish(stream).unwrap();
        assert_eq!(bay.platform.reports().len(), 3);
        // The next stream has a new number.
        assert_eq!(vm.create_stream(root, Stream::plain()).unwrap().get(), 3);
        vm.finish(root).unwrap();
        assert_eq!(bay.platform.reports()[3..], ["2", "3"]);
    });
}

#[test]
fn a_context_need_not_wait_for_proxy_done_for_ever() {
    on_each(|bay| {
        let guest = Guest::new()
            .on("proxy_on_delete", status("proxy_done", &[]))
            .returning("proxy_on_done", "", "(i32.const 0)");
        let (vm, root) = bay.started(&guest);
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        // Neither of them waits yet.
        assert!(!vm.is_waiting(id));
        vm.end_waiting(id, "it is not over").unwrap();
        for (id, left) in [(id, 1), (root, 0)] {
            vm.finish(id).unwrap();
            assert!(vm.is_waiting(id));
            bay.platform.clear();
            vm.end_waiting(id, "it took too long").unwrap();
            // Deleted once, and a `proxy_done` comes too late.
            assert_eq!(bay.platform.reports(), ["1"]);
            assert_eq!(vm.context_count(), left);
            let warning = "plugin my_plugin: a context was deleted before its time: it took too long";
            assert!(
                bay.logged(LogLevel::Warn)
                    .iter()
                    .any(|line| line.contains(warning))
            );
            vm.end_waiting(id, "again").unwrap();
        }
    });
}

#[test]
fn a_context_that_waits_for_proxy_done() {
    on_each(|bay| {
        // The second stream's callbacks end the first.
        let steps = [
            status("proxy_done", &[]),
            status("proxy_set_effective_context", &[2]),
            status("proxy_done", &[]),
            status("proxy_done", &[]),
        ];
        let guest = Guest::new()
            .on(
                "proxy_on_delete",
                "(call $n (i32.add (i32.const 100) (local.get $context_id)))",
            )
            .returning(
                "proxy_on_done",
                // Not yet: nobody waits for it.
                status("proxy_done", &[]),
                "(i32.const 0)",
            )
            .returning("proxy_on_request_headers", steps.concat(), "(i32.const 1)");
        let (vm, root) = bay.started(&guest);
        let first = vm.create_stream(root, Stream::plain()).unwrap();
        let second = vm.create_stream(root, Stream::plain()).unwrap();
        vm.finish(first).unwrap();
        assert_eq!(bay.platform.reports(), ["1"]);
        assert_eq!(vm.context_count(), 3);
        assert!(vm.stream(first).is_some());
        // It is finished already.
        vm.finish(first).unwrap();
        assert_eq!(bay.platform.reports(), ["1"]);
        bay.platform.clear();
        let result = vm.on_request_headers(second, 0, true).unwrap();
        // The deletion does not stand in for the callback's own result.
        assert_eq!(result.name(), "STOP_ALL_ITERATION_AND_WATERMARK");
        assert_eq!(bay.platform.reports(), ["1", "0", "0", "1", "102"]);
        assert_eq!(vm.context_count(), 2);
        // It is gone, so it can't be made the current one.
        bay.platform.clear();
        vm.on_request_headers(second, 0, true).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "2", "1", "1"]);
    });
}

#[test]
fn ends_that_bring_each_other_are_as_many_as_one_likes() {
    on_each(|bay| {
        const MANY: u32 = 20_000;
        let end =
            |of: &str| format!("(drop (call $proxy_set_effective_context {of})) (drop (call $proxy_done))");
        let before = "(i32.sub (local.get $context_id) (i32.const 1))";
        let guest = Guest::new()
            .returning("proxy_on_done", "", "(i32.const 0)")
            .on("proxy_on_delete", end(before))
            .on(
                "proxy_on_request_headers",
                end(&format!("(i32.const {})", MANY + 1)),
            );
        let (vm, root) = bay.started(&guest);
        for _ in 0..MANY {
            let stream = vm.create_stream(root, Stream::default()).unwrap();
            vm.finish(stream).unwrap();
        }
        assert_eq!(vm.context_count(), MANY as usize + 1);
        let last = vm.create_stream(root, Stream::default()).unwrap();
        vm.on_request_headers(last, 0, true).unwrap();
        assert_eq!(vm.context_count(), 2);
    });
}

#[test]
fn callbacks_that_are_not_there() {
    on_each(|bay| {
        let (vm, root) = bay.started(&Guest::new());
        let stream = vm.create_stream(root, Stream::plain()).unwrap();
        assert_eq!(
            vm.on_request_headers(stream, 1, false).unwrap().name(),
            "CONTINUE"
        );
        assert_eq!(vm.on_request_body(stream, 1, false).unwrap().name(), "CONTINUE");
        assert_eq!(vm.on_request_trailers(stream, 1).unwrap().name(), "CONTINUE");
        assert_eq!(
            vm.on_response_headers(stream, 1, false).unwrap().name(),
            "CONTINUE"
        );
        assert_eq!(vm.on_response_body(stream, 1, false).unwrap().name(), "CONTINUE");
        assert_eq!(vm.on_response_trailers(stream, 1).unwrap().name(), "CONTINUE");
        vm.on_log(stream).unwrap();
        vm.finish(stream).unwrap();
        assert_eq!(vm.context_count(), 1);
        assert!(bay.platform.lines().is_empty());
    });
}

#[test]
fn stream_callbacks_get_their_arguments_and_give_their_results() {
    on_each(|bay| {
        let mut guest = Guest::new();
        for (export, size) in [
            ("proxy_on_request_headers", "num_headers"),
            ("proxy_on_response_headers", "num_headers"),
            ("proxy_on_request_body", "body_size"),
            ("proxy_on_response_body", "body_size"),
        ] {
            let body = format!("(call $n (local.get ${size})) (call $n (local.get $end_of_stream))");
            guest = guest.returning(export, body, &format!("(local.get ${size})"));
        }
        for export in ["proxy_on_request_trailers", "proxy_on_response_trailers"] {
            guest = guest.returning(export, "", "(local.get $num_trailers)");
        }
        for allow in [false, true] {
            bay.plugin.allow_on_headers_stop_iteration = allow;
            let (vm, root) = bay.started(&guest);
            let stream = vm.create_stream(root, Stream::plain()).unwrap();
            let all = "STOP_ALL_ITERATION_AND_WATERMARK";
            let stop = if allow { "STOP_ITERATION" } else { all };
            let headers = [
                "CONTINUE",
                stop,
                "CONTINUE_AND_END_STREAM",
                "STOP_ALL_ITERATION_AND_BUFFER",
                all,
                all,
            ];
            let body = [
                "CONTINUE",
                "STOP_ITERATION_AND_BUFFER",
                "STOP_ITERATION_AND_WATERMARK",
                "STOP_ITERATION_NO_BUFFER",
                "STOP_ITERATION_NO_BUFFER",
                "STOP_ITERATION_NO_BUFFER",
            ];
            let trailers = ["CONTINUE", "STOP_ITERATION", "STOP_ITERATION"];
            for result in [0, 1, 2, 3, 4, 5, 0xffff_ffff_usize] {
                let at = result.min(5);
                bay.platform.clear();
                assert_eq!(
                    vm.on_request_headers(stream, result, true).unwrap().name(),
                    headers[at]
                );
                assert_eq!(bay.platform.reports(), [result.to_string().as_str(), "1"]);
                bay.platform.clear();
                assert_eq!(
                    vm.on_response_headers(stream, result, false).unwrap().name(),
                    headers[at]
                );
                assert_eq!(bay.platform.reports(), [result.to_string().as_str(), "0"]);
                assert_eq!(vm.on_request_body(stream, result, true).unwrap().name(), body[at]);
                assert_eq!(
                    vm.on_response_body(stream, result, true).unwrap().name(),
                    body[at]
                );
                let at = at.min(2);
                assert_eq!(
                    vm.on_request_trailers(stream, result).unwrap().name(),
                    trailers[at]
                );
                assert_eq!(
                    vm.on_response_trailers(stream, result).unwrap().name(),
                    trailers[at]
                );
            }
        }
    });
}
