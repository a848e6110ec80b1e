//! What happens when a callback fails, and what a failed VM still does.

use std::cell::Cell;
use std::rc::{Rc, Weak};

use enginebay_engine::{Limits, TrapKind};
use enginebay_host::abi::LogLevel;
use enginebay_host::{FailState, Vm};

use crate::fixture::{Guest, Run, Stream, on_each, on_each_with, status};

#[test]
fn a_failed_vm_is_not_entered_again_and_keeps_its_failure() {
    on_each(|bay| {
        let entered = "(call $n (i32.const 7))";
        let mut guest = Guest::new();
        for export in [
            "proxy_on_context_create",
            "proxy_on_vm_start",
            "proxy_on_configure",
            "proxy_on_response_headers",
            "proxy_on_request_body",
            "proxy_on_response_body",
            "proxy_on_request_trailers",
            "proxy_on_response_trailers",
            "proxy_on_log",
            "proxy_on_done",
            "proxy_on_delete",
        ] {
            guest = guest.on(export, entered);
        }
        let guest = guest.on("proxy_on_request_headers", "(unreachable)");
        let (vm, root) = bay.started(&guest);
        let other = vm.create_stream(root, Stream::plain()).unwrap();
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        assert!(vm.failure().is_none());
        let failure = vm.on_request_headers(id, 0, true).unwrap_err();
        assert_eq!(failure.state(), FailState::RuntimeError);
        assert_eq!(failure.function(), Some("proxy_on_request_headers"));
        assert_eq!(failure.trap().unwrap().kind(), TrapKind::Unreachable);
        let message = failure.to_string();
        assert!(
            message.starts_with("Function: proxy_on_request_headers failed: unreachable"),
            "{message}"
        );
        assert_eq!(bay.logged(LogLevel::Critical), [message]);

        bay.platform.clear();
        let all = [
            vm.start_plugin(bay.plugin.clone()).map(|_| ()),
            vm.create_stream(root, Stream::plain()).map(|_| ()),
            vm.on_request_headers(other, 0, true).map(|_| ()),
            vm.on_response_headers(other, 0, true).map(|_| ()),
            vm.on_request_body(other, 0, true).map(|_| ()),
            vm.on_response_body(other, 0, true).map(|_| ()),
            vm.on_request_trailers(other, 0).map(|_| ()),
            vm.on_response_trailers(other, 0).map(|_| ()),
            vm.on_log(other),
            vm.finish(other),
            vm.finish(other),
        ];
        for result in all {
            assert_eq!(result.unwrap_err().to_string(), failure.to_string());
        }
        assert_eq!(vm.failure().unwrap().to_string(), failure.to_string());
        assert!(bay.platform.lines().is_empty());
        // What it held can still be looked at, and let go.
        assert!(vm.stream(other).is_none());
        assert_eq!(vm.stream(id).unwrap().request_body(), "hello");
        vm.abandon(id);
        assert_eq!(vm.context_count(), 1);
    });
}

#[test]
fn every_kind_of_trap_is_named() {
    let limits = Limits {
        call_time: Some(std::time::Duration::from_millis(200)),
        ..Limits::default()
    };
    on_each_with(limits, |bay| {
        for (body, kind) in [
            ("(drop (i32.load (i32.const -4)))", TrapKind::MemoryOutOfBounds),
            (
                "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
                TrapKind::Arithmetic,
            ),
            ("(call $deep)", TrapKind::StackOverflow),
            ("(loop $l (br $l))", TrapKind::Interrupted),
            ("(call $proc_exit (i32.const 3))", TrapKind::Exit(3)),
        ] {
            let guest = Guest::new()
                .and("(func $deep (call $deep))")
                .on("proxy_on_request_headers", body);
            let failure = bay.run(&guest, Stream::plain()).result.unwrap_err();
            assert_eq!(failure.state(), FailState::RuntimeError);
            assert_eq!(failure.trap().unwrap().kind(), kind, "{failure}");
            assert!(failure.to_string().contains(kind.name()), "{failure}");
        }
    });
}

#[test]
fn a_defect_of_the_embedder_is_a_failure_of_the_vm_alone() {
    on_each(|bay| {
        let guest = Guest::new().on_request(&[status("proxy_get_header_map_size", &[0, 8])]);
        let mut stream = Stream::plain();
        stream.broken = true;
        let Run { vm, id, result } = bay.run(&guest, stream);
        let failure = result.unwrap_err();
        assert_eq!(failure.trap().unwrap().kind(), TrapKind::HostError);
        assert!(
            failure
                .to_string()
                .contains("a host function panicked: the embedder's own defect"),
            "{failure}"
        );
        // Nothing stays borrowed.
        vm.stream(id).unwrap().broken = false;
        assert!(vm.finish(id).is_err());
        assert_eq!(vm.context_count(), 1);
        drop(vm);
        bay.platform.clear();
        assert_eq!(bay.reports(&guest), ["0"]);
    });
}

/// A stream that counts when it is dropped.
fn counted(count: &Rc<Cell<u32>>) -> Stream {
    let count = count.clone();
    let mut stream = Stream::plain();
    stream.on_drop = Some(Box::new(move || count.set(count.get() + 1)));
    stream
}

#[test]
fn dropping_a_vm_drops_its_streams() {
    on_each(|bay| {
        let drops = Rc::new(Cell::new(0));
        let (vm, root) = bay.started(&Guest::new());
        for _ in 0..100 {
            vm.create_stream(root, counted(&drops)).unwrap();
        }
        drop(vm);
        assert_eq!(drops.get(), 100);
        // Also those of a failed one.
        let guest = Guest::new().on("proxy_on_request_headers", "(unreachable)");
        let (vm, root) = bay.started(&guest);
        let id = vm.create_stream(root, counted(&drops)).unwrap();
        vm.on_request_headers(id, 0, true).unwrap_err();
        drop(vm);
        assert_eq!(drops.get(), 101);
    });
}

#[test]
fn contexts_that_wait_for_proxy_done_go_when_the_vm_fails() {
    on_each(|bay| {
        let steps = [
            status("proxy_set_effective_context", &[2]),
            status("proxy_done", &[]),
            "(unreachable)".to_owned(),
        ];
        let guest = Guest::new()
            .returning("proxy_on_done", "", "(i32.const 0)")
            .on_request(&steps);
        let drops = Rc::new(Cell::new(0));
        let (vm, root) = bay.started(&guest);
        let streams = [(); 3].map(|()| vm.create_stream(root, counted(&drops)).unwrap());
        vm.finish(streams[0]).unwrap();
        vm.finish(streams[1]).unwrap();
        assert_eq!(drops.get(), 0);
        vm.on_request_headers(streams[2], 0, true).unwrap_err();
        assert_eq!(bay.platform.reports(), ["0", "0"]);
        assert_eq!(drops.get(), 2);
        assert_eq!(vm.context_count(), 2);
    });
}

#[test]
fn a_stream_may_look_at_the_vm_when_it_goes() {
    on_each(|bay| {
        let guest = Guest::new()
            .returning(
                "proxy_on_done",
                "",
                "(i32.eq (local.get $context_id) (i32.const 2))",
            )
            .on(
                "proxy_on_context_create",
                "(if (i32.eq (local.get $context_id) (i32.const 5)) (then unreachable))",
            );
        let (vm, root) = bay.started(&guest);
        let vm = Rc::new(vm);
        let seen = Rc::new(Cell::new(0));
        let looking = || {
            let (vm, seen): (Weak<Vm<Stream>>, _) = (Rc::downgrade(&vm), seen.clone());
            let mut stream = Stream::plain();
            stream.on_drop = Some(Box::new(move || {
                let vm = vm.upgrade().unwrap();
                seen.set(seen.get() + vm.context_count());
                assert!(vm.stream(root).is_none());
                assert_eq!(vm.plugin(root).unwrap().name, "my_plugin");
                vm.memory_size();
            }));
            stream
        };
        let finished = vm.create_stream(root, looking()).unwrap();
        vm.finish(finished).unwrap();
        assert_eq!(seen.replace(0), 1);
        let abandoned = vm.create_stream(root, looking()).unwrap();
        vm.abandon(abandoned);
        assert_eq!(seen.replace(0), 1);
        let waiting = vm.create_stream(root, looking()).unwrap();
        vm.finish(waiting).unwrap();
        assert_eq!(seen.get(), 0);
        // The guest refuses the last one: it goes, and with the VM the one that waits.
        assert!(vm.create_stream(root, looking()).is_err());
        assert_eq!(seen.get(), 3);
        assert_eq!(vm.context_count(), 1);
    });
}

#[test]
fn a_log_that_calls_the_vm_fails_it_and_nothing_else() {
    on_each(|bay| {
        let guest = Guest::new()
            .on("proxy_on_request_headers", "(call $n (i32.const 1))")
            .on("proxy_on_log", "(call $n (i32.const 2))");
        let (vm, root) = bay.started(&guest);
        let vm = Rc::new(vm);
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        let inner = Rc::downgrade(&vm);
        *bay.platform.on_log.borrow_mut() = Some(Box::new(move |_| {
            let vm = inner.upgrade().unwrap();
            // Looking is free.
            assert_eq!(vm.context_count(), 2);
            assert_eq!(vm.stream(id).unwrap().request_body(), "hello");
            assert_eq!(vm.memory_size(), 0);
            let failure = vm.on_log(id).unwrap_err();
            assert!(
                failure.to_string().contains("while a callback of it was running"),
                "{failure}"
            );
        }));
        let _ = vm.on_request_headers(id, 0, true);
        *bay.platform.on_log.borrow_mut() = None;
        assert_eq!(vm.failure().unwrap().function(), Some("proxy_on_log"));
        assert_eq!(bay.platform.reports(), ["1"]);
        assert!(vm.on_log(id).is_err());
    });
}
