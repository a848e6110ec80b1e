//! Plugins that may not call, or be called for, everything.

use std::collections::BTreeSet;

use enginebay_engine::TrapKind;
use enginebay_host::abi::functions::functions_of;
use enginebay_host::abi::{AbiVersion, AllowedCapabilities, Callback, HostFunction, LogLevel, Namespace};
use enginebay_host::{FailState, VmLimits};

use crate::fixture::{Bay, Guest, Run, Stream, on_each, status};

/// What a guest needs to report: it logs, and is called for a request's headers.
const REPORTS: [&str; 2] = ["proxy_log", "proxy_on_request_headers"];

/// Allows what reports need, and these.
fn allow(bay: &mut Bay, names: &[&str]) {
    bay.capabilities = AllowedCapabilities::only(REPORTS.iter().chain(names).copied());
}

fn names_of(version: AbiVersion) -> BTreeSet<String> {
    let functions = functions_of(version).filter_map(|def| def.capability());
    let callbacks = Callback::ALL.iter().map(|callback| callback.name());
    functions.chain(callbacks).map(str::to_owned).collect()
}

/// Everything but these.
fn deny(bay: &mut Bay, names: &[&str]) {
    let mut allowed = names_of(AbiVersion::LATEST);
    for name in names {
        assert!(allowed.remove(*name), "{name}");
    }
    bay.capabilities = AllowedCapabilities::Only(allowed);
}

fn denial(name: &str) -> String {
    let kind = match name.starts_with("proxy_") {
        true => "proxy-wasm",
        false => "WASI",
    };
    format!("Attempted call to restricted {kind} capability: {name}")
}

#[test]
fn each_function_that_is_denied_says_so_and_is_there() {
    on_each(|bay| {
        allow(bay, &[]);
        for version in AbiVersion::ALL.iter().copied() {
            for wasi in ["wasi_snapshot_preview1", "wasi_unstable"] {
                bay.platform.clear();
                let mut steps = Vec::new();
                let (mut statuses, mut messages) = (Vec::new(), Vec::new());
                for def in functions_of(version) {
                    let denied = def.function != HostFunction::ProxyLog && def.capability().is_some();
                    if !denied {
                        continue;
                    }
                    // Addresses out of memory: a stub doesn't look at its arguments.
                    let args = vec![u32::MAX; def.params.len()];
                    if def.result.is_none() {
                        steps.push(crate::fixture::call(def.name, &args));
                    } else {
                        steps.push(status(def.name, &args));
                        statuses.push(match def.namespace {
                            Namespace::Env => "10",
                            Namespace::Wasi => "76",
                        });
                    }
                    messages.push(denial(def.name));
                }
                let mut guest = Guest::of(version);
                guest.wasi = wasi;
                assert_eq!(bay.reports(&guest.on_request(&steps)), statuses);
                assert_eq!(bay.logged(LogLevel::Error), messages);
                assert!(messages.contains(&denial("proc_exit")));
            }
        }
    });
}

#[test]
fn what_is_allowed_is_as_ever() {
    on_each(|bay| {
        let steps = [
            status("proxy_get_current_time_nanoseconds", &[8]),
            status("fd_write", &[1, 0, 0, 8]),
            status("clock_time_get", &[0, 0, 8]),
            status("proxy_done", &[]),
            status("pthread_equal", &[7, 7]),
            "(call $emscripten_notify_memory_growth (i32.const 0))".to_owned(),
        ];
        let guest = Guest::new().on_request(&steps);
        allow(bay, &["proxy_get_current_time_nanoseconds", "fd_write"]);
        assert_eq!(bay.reports(&guest), ["0", "0", "76", "10", "1"]);
        assert_eq!(
            bay.logged(LogLevel::Error),
            ["clock_time_get", "proxy_done"].map(denial)
        );
        // A name that is in no version allows nothing, and harms nothing.
        allow(bay, &["proxy_done", "nosuch", "env.clock_time_get"]);
        bay.platform.clear();
        assert_eq!(bay.reports(&guest), ["10", "76", "76", "1", "1"]);
        bay.capabilities = AllowedCapabilities::All;
        bay.platform.clear();
        assert_eq!(bay.reports(&guest), ["0", "0", "0", "1", "1"]);
        assert!(bay.logged(LogLevel::Error).is_empty());
    });
}

#[test]
fn lines_name_the_plugin() {
    on_each(|bay| {
        allow(bay, &[]);
        bay.reports(&Guest::new().on_request(&[status("proxy_done", &[])]));
        let line = format!("wasm log my_plugin my_root my_vm: {}", denial("proxy_done"));
        assert_eq!(bay.platform.lines()[0], line);
    });
}

#[test]
fn leaving_is_no_trap() {
    on_each(|bay| {
        allow(bay, &[]);
        let exit = "(call $proc_exit (i32.const 42)) (call $n (i32.const 1))".to_owned();
        assert_eq!(bay.reports(&Guest::new().on_request(&[exit])), ["1"]);
        assert_eq!(bay.logged(LogLevel::Error), [denial("proc_exit")]);
    });
}

#[test]
fn a_log_that_is_denied_says_nothing_else() {
    on_each(|bay| {
        deny(bay, &["proxy_log"]);
        let guest = Guest::new().on_request(&["(call $n (i32.const 1))".to_owned()]);
        bay.run(&guest, Stream::plain()).result.unwrap();
        assert!(bay.platform.reports().is_empty());
        assert_eq!(bay.logged(LogLevel::Error), [denial("proxy_log")]);
    });
}

#[test]
fn what_starts_a_module_and_allocates_in_it_is_never_denied() {
    on_each(|bay| {
        allow(bay, &["proxy_get_header_map_pairs"]);
        let environ = status("environ_sizes_get", &[8, 12]);
        let guest = Guest::new()
            .on("_initialize", format!("(call $n (i32.const 1)) {environ}"))
            .on("main", "(call $n (i32.const 2))")
            .on_request(&[status("proxy_get_header_map_pairs", &[0, 8, 12])]);
        assert_eq!(bay.reports(&guest), ["1", "76", "2", "0"]);
        assert_eq!(bay.logged(LogLevel::Error), [denial("environ_sizes_get")]);
        bay.platform.clear();
        bay.vm(&Guest::new().on("_start", "(call $n (i32.const 3))"));
        assert_eq!(bay.platform.reports(), ["3"]);
    });
}

#[test]
fn what_is_too_early_is_a_trap_denied_or_not() {
    on_each(|bay| {
        allow(bay, &[]);
        for (name, call) in [
            ("proxy_done", status("proxy_done", &[])),
            ("proc_exit", "(call $proc_exit (i32.const 3))".to_owned()),
        ] {
            let failure = bay.try_vm(&Guest::new().on("_initialize", call)).err().unwrap();
            assert_eq!(failure.state(), FailState::UnableToInitializeCode);
            assert_eq!(failure.trap().unwrap().kind(), TrapKind::HostError);
            let message = format!("{name} was called while the module starts");
            assert!(failure.to_string().contains(&message), "{failure}");
        }
        assert!(bay.logged(LogLevel::Error).is_empty());
    });
}

/// A guest in which every callback traps, and none of the ABI's is missing.
fn traps(version: AbiVersion) -> Guest {
    let mut guest = Guest::of(version);
    for callback in Callback::ALL {
        if callback.shape(version).is_some() {
            guest = guest.on(callback.name(), "(unreachable)");
        }
    }
    guest
}

#[test]
fn no_callback_that_is_denied_is_called() {
    on_each(|bay| {
        bay.capabilities = AllowedCapabilities::only(["proxy_log"]);
        for version in AbiVersion::ALL.iter().copied() {
            let guest = traps(version);
            let program = bay.load(&guest.wat()).unwrap();
            for callback in Callback::ALL.iter().copied() {
                assert!(!program.has_callback(callback), "{callback}");
            }
            // True of both of these is what a module says that exports neither.
            let (vm, root) = bay.started(&guest);
            let id = vm.create_stream(root, Stream::plain()).unwrap();
            let goes_on = "CONTINUE";
            assert_eq!(vm.on_request_headers(id, 1, false).unwrap().name(), goes_on);
            assert_eq!(vm.on_request_body(id, 1, false).unwrap().name(), goes_on);
            assert_eq!(vm.on_request_trailers(id, 1).unwrap().name(), goes_on);
            assert_eq!(vm.on_response_headers(id, 1, false).unwrap().name(), goes_on);
            assert_eq!(vm.on_response_body(id, 1, false).unwrap().name(), goes_on);
            assert_eq!(vm.on_response_trailers(id, 1).unwrap().name(), goes_on);
            vm.on_request_metadata(id, 1).unwrap();
            vm.on_response_metadata(id, 1).unwrap();
            vm.on_new_connection(id).unwrap();
            vm.on_downstream_data(id, 1, true).unwrap();
            vm.on_upstream_data(id, 1, true).unwrap();
            vm.on_foreign_function(root, 1, b"").unwrap();
            vm.on_stats_update(root, b"").unwrap();
            vm.on_tick(root).unwrap();
            vm.deliver().unwrap();
            vm.log(root, Stream::plain()).unwrap();
            vm.on_log(id).unwrap();
            // Done at once.
            vm.finish(id).unwrap();
            assert_eq!(vm.context_count(), 1);
            vm.finish(root).unwrap();
            assert_eq!(vm.context_count(), 0);
        }
        assert!(bay.platform.lines().is_empty());
    });
}

#[test]
fn one_callback_alone_is_denied() {
    on_each(|bay| {
        for &denied in Callback::ALL {
            deny(bay, &[denied.name()]);
            let program = bay.load(&traps(AbiVersion::LATEST).wat()).unwrap();
            for &callback in Callback::ALL {
                assert_eq!(program.has_callback(callback), callback != denied, "{callback}");
            }
        }
    });
}

#[test]
fn a_refusal_that_is_not_asked_for_is_none() {
    on_each(|bay| {
        let no = "(i32.const 0)";
        let guest = Guest::new()
            .returning("proxy_on_vm_start", "", no)
            .returning("proxy_on_configure", "", no)
            .returning("proxy_on_done", "", no);
        deny(bay, &["proxy_on_vm_start", "proxy_on_configure", "proxy_on_done"]);
        let Run { vm, id, result } = bay.run(&guest, Stream::plain());
        result.unwrap();
        vm.finish(id).unwrap();
        assert_eq!(vm.context_count(), 1);
    });
}

#[test]
fn an_export_of_the_wrong_type_does_no_harm_where_it_is_denied() {
    on_each(|bay| {
        let guest = Guest::new().and("(func (export \"proxy_on_tick\"))");
        assert!(bay.load(&guest.wat()).is_err());
        deny(bay, &["proxy_on_tick"]);
        bay.load(&guest.wat()).unwrap();
    });
}

#[test]
fn a_program_knows_what_it_can_call() {
    on_each(|bay| {
        deny(bay, &["proxy_get_property", "fd_write"]);
        let program = bay.load(&Guest::new().wat()).unwrap();
        assert!(!program.can_call(HostFunction::ProxyGetProperty));
        assert!(!program.can_call(HostFunction::WasiFdWrite));
        assert!(program.can_call(HostFunction::ProxySetProperty));
        assert!(program.can_call(HostFunction::EnvPthreadEqual));
    });
}

#[test]
fn denials_are_messages_of_the_plugin() {
    on_each(|bay| {
        allow(bay, &["proxy_on_request_body"]);
        let mut limits = VmLimits::default();
        limits.log_rate = 3;
        bay.platform.limits.set(limits);
        let call = "(drop (call $proxy_done))".repeat(5);
        let guest = Guest::new()
            .on_request(&[call])
            .on("proxy_on_request_body", status("proxy_done", &[]));
        let Run { vm, id, .. } = bay.run(&guest, Stream::plain());
        assert_eq!(bay.logged(LogLevel::Error).len(), 3);
        bay.platform.advance(1_000_000_000);
        vm.on_request_body(id, 0, true).unwrap();
        let warning = "2 log messages were left out: more than 3 came in one second";
        assert_eq!(bay.logged(LogLevel::Warn), [warning]);
        assert_eq!(bay.logged(LogLevel::Error).len(), 4);
        assert_eq!(bay.platform.reports(), ["10"]);
        // Nor is anything said that nobody is to hear.
        bay.platform.level.set(LogLevel::Critical);
        vm.on_request_body(id, 0, true).unwrap();
        assert_eq!(bay.logged(LogLevel::Error).len(), 4);
    });
}
