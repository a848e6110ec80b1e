//! Foreign functions: those that plugins call, and the callback.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use enginebay_host::abi::{AbiVersion, LogLevel, Status};
use enginebay_host::{ForeignCall, ForeignFunctions, LifeSpan, PropertyDeclaration};

use crate::fixture::{Bay, Guest, OUT, Run, Stream, on_each, status};

const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];

fn call(guest: &mut Guest, name: &str, arguments: &str, [data, size]: [u32; 2]) -> String {
    let ([name, name_size], [arguments, arguments_size]) = (guest.put(name), guest.put(arguments));
    status(
        "proxy_call_foreign_function",
        &[name, name_size, arguments, arguments_size, data, size],
    )
}

/// A call that reports its result as text after its status.
fn ask(guest: &mut Guest, name: &str, arguments: &str) -> String {
    call(guest, name, arguments, OUT) + "(call $out)"
}

fn offer(bay: &Bay, functions: ForeignFunctions) {
    bay.platform.foreign.replace(functions);
}

fn reverse(call: &mut ForeignCall<'_>) -> Status {
    let arguments = call.arguments();
    call.results().extend(arguments.iter().rev());
    Status::Ok
}

#[test]
fn the_embedder_answers_by_name() {
    on_each(|bay| {
        let refuse = |call: &mut ForeignCall<'_>| {
            call.results().push(b'x');
            Status::BadArgument
        };
        offer(
            bay,
            ForeignFunctions::default()
                .with("reverse", reverse)
                .with("refuse", refuse),
        );
        let mut guest = Guest::new();
        let steps = [
            ask(&mut guest, "reverse", "abc"),
            call(&mut guest, "reverse", "", OUT),
            format!("(call $n (i32.load (i32.const {LEN})))"),
            call(&mut guest, "refuse", "abc", OUT),
            call(&mut guest, "nothing", "abc", OUT),
            call(&mut guest, "", "", OUT),
            // Neither name nor arguments are in memory.
            status("proxy_call_foreign_function", &[u32::MAX - 1, 9, 0, 0, AT, LEN]),
            status("proxy_call_foreign_function", &[0, 0, u32::MAX - 1, 9, AT, LEN]),
        ];
        let guest = guest.on_request(&steps);
        let reports = bay.reports(&guest);
        assert_eq!(reports, ["0", "cba", "0", "0", "2", "1", "1", "6", "6"]);
    });
}

#[test]
fn results_that_nobody_wants_go_nowhere() {
    on_each(|bay| {
        offer(bay, ForeignFunctions::default().with("reverse", reverse));
        let mut guest = Guest::new();
        let steps = [
            "(i32.store (i32.const 0) (i32.const 77))".to_owned(),
            call(&mut guest, "reverse", "abc", [0, 0]),
            "(call $n (i32.load (i32.const 0)))".to_owned(),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "77"]);
    });
}

#[test]
fn results_are_bounded() {
    on_each(|bay| {
        let much = |call: &mut ForeignCall<'_>| {
            assert_eq!(call.max_results(), 1_000);
            let len = 1_000 + call.arguments().len();
            call.results().resize(len, b'x');
            Status::Ok
        };
        offer(
            bay,
            ForeignFunctions::default()
                .with("much", much)
                .with_max_results(1_000),
        );
        let mut guest = Guest::new();
        let steps = [
            call(&mut guest, "much", "", OUT),
            format!("(call $n (i32.load (i32.const {LEN})))"),
            call(&mut guest, "much", "x", OUT),
            // Whether it wants them or not.
            call(&mut guest, "much", "x", [0, 0]),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "1000", "10", "10"]);
        let warnings = bay.logged(LogLevel::Warn);
        assert_eq!(
            warnings[0],
            "the foreign function much returned 1001 bytes; at most 1000 are allowed"
        );
    });
}

#[test]
fn a_function_acts_on_the_context_of_its_caller() {
    on_each(|bay| {
        let property = |call: &mut ForeignCall<'_>| {
            let path = std::str::from_utf8(call.arguments()).unwrap();
            let path: Vec<&str> = path.split('.').collect();
            let mut value = Vec::new();
            match call.property(&path, &mut value) {
                true => {
                    *call.results() = value;
                    Status::Ok
                }
                false => Status::NotFound,
            }
        };
        let clear = |call: &mut ForeignCall<'_>| call.clear_route_cache();
        let keep = |call: &mut ForeignCall<'_>| {
            let value = call.arguments();
            call.set_filter_state(b"key", value, LifeSpan::DownstreamConnection)
        };
        let ids = |call: &mut ForeignCall<'_>| {
            let ids = format!(
                "{} {:?}",
                call.context_id().get(),
                call.root_id().map(|root| root.get())
            );
            call.log(LogLevel::Info, "asked for ids");
            call.results().extend_from_slice(ids.as_bytes());
            Status::Ok
        };
        offer(
            bay,
            ForeignFunctions::default()
                .with("property", property)
                .with("clear", clear)
                .with("keep", keep)
                .with("ids", ids),
        );
        let mut guest = Guest::new();
        let mut steps = String::new();
        for path in ["plugin_name", "plugin_vm_id", "node.id", "request.path", "none"] {
            steps += &call(&mut guest, "property", path, OUT);
        }
        steps += &ask(&mut guest, "ids", "");
        steps += &call(&mut guest, "clear", "", OUT);
        steps += &call(&mut guest, "keep", "value", OUT);
        let guest = guest
            .on("proxy_on_configure", &steps)
            .on("proxy_on_request_headers", &steps);
        let mut stream = Stream::plain();
        stream
            .properties
            .insert(b"request\0path".to_vec(), b"/x".to_vec());
        let run = bay.run(&guest, stream);
        assert_eq!(
            bay.platform.reports(),
            [
                "0",
                "0",
                "0",
                "1",
                "1",
                "0",
                "1 Some(1)",
                "0",
                "1", //
                "0",
                "0",
                "0",
                "0",
                "1",
                "0",
                "2 Some(1)",
                "0",
                "0",
            ]
        );
        let stream = run.vm.stream(run.id).unwrap();
        assert_eq!(stream.routes_cleared, 1);
        assert_eq!(
            stream.filter_state,
            [(b"key".to_vec(), b"value".to_vec(), LifeSpan::DownstreamConnection)]
        );
        drop(stream);
        assert_eq!(bay.logged(LogLevel::Info), ["asked for ids"; 2]);
    });
}

/// Counts the values that are alive.
#[derive(Default)]
struct Counter(u32, Option<Arc<AtomicUsize>>);

impl Drop for Counter {
    fn drop(&mut self) {
        if let Some(alive) = &self.1 {
            alive.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

#[test]
fn what_a_function_keeps_is_the_vms_and_goes_with_it() {
    on_each(|bay| {
        let alive = Arc::new(AtomicUsize::new(0));
        let count = {
            let alive = alive.clone();
            move |call: &mut ForeignCall<'_>| {
                let counter = call.vm_data::<Counter>();
                counter.0 += 1;
                if counter.1.is_none() {
                    alive.fetch_add(1, Ordering::Relaxed);
                    counter.1 = Some(alive.clone());
                }
                let count = counter.0.to_string();
                // Another type's value is another value.
                *call.vm_data::<u32>() += 100;
                call.results().extend_from_slice(count.as_bytes());
                Status::Ok
            }
        };
        offer(bay, ForeignFunctions::default().with("count", count));
        let mut guest = Guest::new();
        let steps = ask(&mut guest, "count", "");
        let guest = guest.on("proxy_on_configure", &steps).on_request(&[steps]);
        let first = bay.run(&guest, Stream::plain());
        let second = bay.run(&guest, Stream::plain());
        assert_eq!(bay.platform.reports(), ["0", "1", "0", "2", "0", "1", "0", "2"]);
        assert_eq!(alive.load(Ordering::Relaxed), 2);
        drop(first);
        assert_eq!(alive.load(Ordering::Relaxed), 1);
        drop(second);
        assert_eq!(alive.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_functions_defect_ends_the_vm_and_nothing_else() {
    on_each(|bay| {
        let broken = |_: &mut ForeignCall<'_>| -> Status { panic!("the function's own defect") };
        offer(bay, ForeignFunctions::default().with("broken", broken));
        let mut guest = Guest::new();
        let steps = [call(&mut guest, "broken", "", OUT)];
        let run = bay.run(&guest.on_request(&steps), Stream::plain());
        assert!(
            run.result
                .unwrap_err()
                .to_string()
                .contains("the function's own defect")
        );
        assert!(run.vm.failure().is_some());
    });
}

/// The functions are those of the time when the VM was made.
#[test]
fn a_vm_keeps_its_functions() {
    on_each(|bay| {
        offer(bay, ForeignFunctions::default().with("reverse", reverse));
        let mut guest = Guest::new();
        let steps = [ask(&mut guest, "reverse", "abc")];
        let (vm, root) = bay.started(&guest.on_request(&steps));
        offer(bay, ForeignFunctions::default());
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        vm.on_request_headers(id, 1, true).unwrap();
        assert_eq!(bay.platform.reports(), ["0", "cba"]);
    });
}

fn declaring() -> ForeignFunctions {
    ForeignFunctions::default().with("declare", |call: &mut ForeignCall<'_>| {
        let declaration = PropertyDeclaration {
            read_only: true,
            span: LifeSpan::DownstreamRequest,
        };
        let name = call.arguments();
        call.declare_property(name, declaration)
    })
}

#[test]
fn what_a_plugin_declares_reaches_its_streams_with_the_property() {
    on_each(|bay| {
        offer(bay, declaring());
        let mut guest = Guest::new();
        let configure = [
            call(&mut guest, "declare", "a\0b", OUT),
            call(&mut guest, "declare", "c\0", OUT),
            // A second time, with the NUL that may end a path too.
            call(&mut guest, "declare", "a\0b", OUT),
            call(&mut guest, "declare", "a\0b\0", OUT),
            call(&mut guest, "declare", "", OUT),
        ];
        let mut steps = vec![
            // As on Envoy, a stream's declarations are for nothing, and never wrong.
            call(&mut guest, "declare", "d", OUT),
            call(&mut guest, "declare", "a\0b", OUT),
        ];
        for path in ["a\0b", "a\0b\0", "c", "d", "a"] {
            let [path, size] = guest.put(path);
            steps.push(status("proxy_set_property", &[path, size, path, 1]));
        }
        let guest = guest
            .on("proxy_on_configure", configure.concat())
            .on_request(&steps);
        let Run { vm, id, .. } = bay.run(&guest, Stream::plain());
        assert_eq!(
            bay.platform.reports(),
            ["0", "0", "2", "2", "0", "0", "0", "0", "0", "0", "0", "0"]
        );
        let declared = PropertyDeclaration {
            read_only: true,
            span: LifeSpan::DownstreamRequest,
        };
        let default = PropertyDeclaration::default();
        assert_eq!(
            vm.stream(id).unwrap().declared,
            [
                declared.clone(),
                declared.clone(),
                declared,
                default.clone(),
                default.clone()
            ]
        );

        // Another plugin of the VM knows nothing of it.
        let root = vm.start_plugin(bay.plugin.clone()).unwrap();
        assert_eq!(bay.platform.reports()[12..], ["0", "0", "2", "2", "0"]);
        let other = vm.create_stream(root, Stream::plain()).unwrap();
        vm.finish(other).unwrap();
    });
}

#[test]
fn declarations_are_bounded() {
    on_each(|bay| {
        let declare_many = |call: &mut ForeignCall<'_>| {
            let default = PropertyDeclaration::default;
            let long = vec![b'x'; 4 << 10];
            assert_eq!(call.declare_property(&long, default()), Status::Ok);
            let longer = vec![b'x'; (4 << 10) + 1];
            assert_eq!(call.declare_property(&longer, default()), Status::InternalFailure);
            for n in 1..1024 {
                assert_eq!(
                    call.declare_property(n.to_string().as_bytes(), default()),
                    Status::Ok
                );
            }
            call.declare_property(b"one more", default())
        };
        offer(bay, ForeignFunctions::default().with("many", declare_many));
        let mut guest = Guest::new();
        let steps = call(&mut guest, "many", "", OUT);
        bay.started(&guest.on("proxy_on_configure", steps));
        assert_eq!(bay.platform.reports(), ["10"]);
        assert_eq!(bay.logged(LogLevel::Warn).len(), 2);
    });
}

/// Buffer 8 is that of the callback's arguments.
fn arguments_buffer(start: u32, size: u32) -> String {
    status("proxy_get_buffer_bytes", &[8, start, size, AT, LEN])
}

#[test]
fn the_callback_reads_its_arguments() {
    on_each(|bay| {
        let on_foreign = [
            "(call $n (local.get $plugin_context_id)) (call $n (local.get $function_id))
            (call $n (local.get $arguments_size))"
                .to_owned(),
            arguments_buffer(0, 100),
            "(call $out)".to_owned(),
            arguments_buffer(2, 2),
            "(call $out)".to_owned(),
            status("proxy_get_buffer_status", &[8, AT, LEN]),
            format!("(call $n (i32.load (i32.const {AT})))"),
            // They can't be changed, as on Envoy.
            status("proxy_set_buffer_bytes", &[8, 0, 100, 0, 1]),
        ];
        let outside = [
            arguments_buffer(0, 100),
            status("proxy_get_buffer_status", &[8, AT, LEN]),
            status("proxy_set_buffer_bytes", &[8, 0, 100, 0, 1]),
        ];
        let guest = Guest::new()
            .on("proxy_on_foreign_function", on_foreign.concat())
            .on_request(&outside);
        let (vm, root) = bay.started(&guest);
        vm.on_foreign_function(root, 7, b"hello").unwrap();
        let in_callback = ["1", "7", "5", "0", "hello", "0", "ll", "0", "5", "2"];
        assert_eq!(bay.platform.reports(), in_callback);
        bay.platform.clear();
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        vm.on_request_headers(id, 1, true).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "1", "1"]);
        bay.platform.clear();
        // None are there, and empty.
        vm.on_foreign_function(id, 0, b"").unwrap();
        assert_eq!(bay.platform.reports()[1..4], ["0", "0", "0"]);
    });
}

#[test]
fn plugins_without_the_callback_are_not_called() {
    on_each(|bay| {
        for version in [AbiVersion::V0_1_0, AbiVersion::V0_2_0] {
            let (vm, root) = bay.started(&Guest::of(version));
            vm.on_foreign_function(root, 1, b"x").unwrap();
        }
    });
}

#[test]
fn a_trap_in_the_callback_fails_the_vm_and_its_arguments_go() {
    on_each(|bay| {
        let guest = Guest::new().on("proxy_on_foreign_function", "(unreachable)");
        let (vm, root) = bay.started(&guest);
        let failure = vm.on_foreign_function(root, 1, b"x").unwrap_err();
        assert_eq!(failure.function(), Some("proxy_on_foreign_function"));
        assert!(vm.on_foreign_function(root, 1, b"x").is_err());
    });
}

/// A function that makes the embedder's own calls looks at the log only, which may look at the VM.
#[test]
fn the_log_may_look_at_the_vm_while_a_function_runs() {
    on_each(|bay| {
        let log = |call: &mut ForeignCall<'_>| {
            call.log(LogLevel::Info, "from a function");
            Status::Ok
        };
        offer(bay, ForeignFunctions::default().with("log", log));
        let mut guest = Guest::new();
        let steps = [call(&mut guest, "log", "", OUT)];
        let (vm, root) = bay.started(&guest.on_request(&steps));
        let vm = Rc::new(vm);
        let seen = Rc::new(Cell::new(0));
        let id = vm.create_stream(root, Stream::plain()).unwrap();
        let (weak, count) = (Rc::downgrade(&vm), seen.clone());
        bay.platform.on_log.replace(Some(Box::new(move |_| {
            if let Some(vm) = weak.upgrade() {
                assert!(vm.stream(id).is_some() && vm.plugin(id).is_some());
                count.set(count.get() + 1);
            }
        })));
        vm.on_request_headers(id, 1, true).unwrap();
        assert!(seen.get() > 0);
    });
}

#[test]
fn stats_sinks_read_what_they_are_told() {
    on_each(|bay| {
        let on_stats = [
            "(call $n (local.get $plugin_context_id)) (call $n (local.get $stats_size))".to_owned(),
            arguments_buffer(0, 100),
            "(call $out)".to_owned(),
            status("proxy_set_buffer_bytes", &[8, 0, 100, 0, 1]),
        ];
        for version in AbiVersion::ALL.iter().copied() {
            bay.platform.clear();
            let guest = Guest::of(version).on("envoy_on_stats_update", on_stats.concat());
            let (vm, root) = bay.started(&guest);
            vm.on_stats_update(root, b"numbers").unwrap();
            assert_eq!(bay.platform.reports(), ["1", "7", "0", "numbers", "2"]);
            // Without the callback there is nobody to tell.
            let (vm, root) = bay.started(&Guest::of(version));
            vm.on_stats_update(root, b"numbers").unwrap();
        }
        let (vm, root) = bay.started(&Guest::new().on("envoy_on_stats_update", "(unreachable)"));
        let failure = vm.on_stats_update(root, b"x").unwrap_err();
        assert_eq!(failure.function(), Some("envoy_on_stats_update"));
        assert!(vm.on_stats_update(root, b"x").is_err());
    });
}
