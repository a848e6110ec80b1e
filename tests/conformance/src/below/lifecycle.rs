//! From the first instruction to the last callback.

use enginebay::engine::TrapKind;
use enginebay::{FailState, Vm};

use super::Case;
use super::bay::{Bay, Verdict, failed, fails, plugin, same};
use super::guest::{AT, Guest, LEN, call, load, say, status};
use crate::engine::embedder::Stream;

pub(super) const CASES: &[Case] = &[
    ("starting/initialize_then_main", initialize),
    ("starting/start_without_initialize", start),
    ("starting/main_alone_is_not_called", main_alone),
    ("starting/a_trap_in_initialize", trap_in_initialize),
    (
        "starting/a_trap_in_the_modules_start_function",
        trap_in_start_function,
    ),
    ("starting/order_and_arguments", order),
    ("starting/a_plugin_that_does_not_start", not_started),
    ("starting/a_plugin_that_does_not_configure", not_configured),
    ("starting/traps", traps),
    ("contexts/several_plugins_in_a_vm", several_plugins),
    ("contexts/streams_of_two_plugins_interleaved", interleaved),
    ("contexts/ids_are_unique_and_never_0", ids),
    (
        "contexts/the_effective_context_of_another_plugin",
        effective_other,
    ),
    ("contexts/the_effective_context_of_nobody", effective_nobody),
    ("contexts/proxy_done_deferred", deferred),
    ("contexts/proxy_done_deferred_of_a_plugin", deferred_plugin),
    ("contexts/callbacks_after_the_end", after_the_end),
    ("contexts/callbacks_that_are_not_exported", not_exported),
    ("failure/every_later_call_is_refused", refused_later),
    ("failure/the_kind_of_trap_is_told", kinds),
    ("failure/waiting_contexts_go", waiting_go),
    ("failure/open_callouts_are_cancelled", callouts_cancelled),
    ("failure/other_vms_go_on", others_go_on),
    ("dropping/a_vm_with_streams", dropped_with_streams),
    ("dropping/a_vm_with_callouts", dropped_with_callouts),
];

fn initialize(bay: &mut Bay) -> Verdict {
    let all = Guest::new()
        .on("_start", say(1))
        .on("main", say(2))
        .on("_initialize", say(3));
    bay.vm(&all)?;
    same(bay.reports(), ["3", "2"])
}

fn start(bay: &mut Bay) -> Verdict {
    bay.vm(&Guest::new().on("_start", say(1)).on("main", say(2)))?;
    same(bay.reports(), ["1"])
}

fn main_alone(bay: &mut Bay) -> Verdict {
    bay.vm(&Guest::new().on("main", say(2)))?;
    same(bay.reports(), [""; 0])
}

fn trap_in_initialize(bay: &mut Bay) -> Verdict {
    for export in ["_initialize", "_start"] {
        let failure = failed(bay.vm(&Guest::new().on(export, "(unreachable)")))?;
        same(failure.state(), FailState::UnableToInitializeCode)?;
        same(failure.function(), Some(export))?;
    }
    let guest = Guest::new().on("_initialize", "").on("main", "(unreachable)");
    same(failed(bay.vm(&guest))?.function(), Some("main"))
}

fn trap_in_start_function(bay: &mut Bay) -> Verdict {
    let guest = Guest::new().and("(func $first (unreachable)) (start $first)");
    let failure = failed(bay.vm(&guest))?;
    same(failure.state(), FailState::UnableToCloneVm)?;
    same(
        failure.trap().map(|trap| trap.kind()),
        Some(TrapKind::Unreachable),
    )
}

fn order(bay: &mut Bay) -> Verdict {
    let sizes =
        |size: &str| format!("(call $n (local.get $plugin_context_id)) (call $n (local.get ${size}))");
    let guest = Guest::new()
        .on("_initialize", say(100))
        .on("proxy_on_context_create", CREATED)
        .on("proxy_on_vm_start", say(101) + &sizes("vm_configuration_size"))
        .on(
            "proxy_on_configure",
            say(102) + &sizes("plugin_configuration_size"),
        );
    let (vm, root) = bay.started(&guest)?;
    same(
        bay.reports(),
        ["100", "1", "0", "101", "1", "16", "102", "1", "20"],
    )?;
    vm.create_stream(root, bay.stream())?;
    same(bay.reports(), ["2", "1"])
}

const CREATED: &str = "(call $n (local.get $context_id)) (call $n (local.get $parent_context_id))";

fn not_started(bay: &mut Bay) -> Verdict {
    let guest = Guest::new()
        .returning("proxy_on_vm_start", "", "(i32.const 0)")
        .on("proxy_on_configure", say(1));
    let message = "Failed to start base Wasm: proxy_on_vm_start returned false";
    fails(bay.started(&guest), FailState::StartFailed, message)?;
    same(bay.reports(), [""; 0])
}

fn not_configured(bay: &mut Bay) -> Verdict {
    let guest = Guest::new().returning("proxy_on_configure", "", "(i32.const 0)");
    let message = "Failed to configure base Wasm plugin: proxy_on_configure returned false";
    fails(bay.started(&guest), FailState::ConfigureFailed, message)
}

fn traps(bay: &mut Bay) -> Verdict {
    for (export, state) in [
        ("proxy_on_context_create", FailState::StartFailed),
        ("proxy_on_vm_start", FailState::StartFailed),
        ("proxy_on_configure", FailState::ConfigureFailed),
    ] {
        let failure = failed(bay.started(&Guest::new().on(export, "(unreachable)")))?;
        same((failure.state(), failure.function()), (state, Some(export)))?;
    }
    Ok(())
}

fn several_plugins(bay: &mut Bay) -> Verdict {
    let guest = Guest::new()
        .on("proxy_on_vm_start", say(7))
        .on("proxy_on_configure", "(call $n (local.get $plugin_context_id))");
    let (vm, first) = bay.started(&guest)?;
    let second = vm.start_plugin(plugin("second"))?;
    same(bay.reports(), ["7", "1", "7", "2"])?;
    let (one, two) = (
        vm.create_stream(first, bay.stream())?,
        vm.create_stream(second, bay.stream())?,
    );
    same(
        vm.plugin(one).map(|plugin| plugin.name.clone()).as_deref(),
        Some("my_plugin"),
    )?;
    same(
        vm.plugin(two).map(|plugin| plugin.name.clone()).as_deref(),
        Some("second"),
    )?;
    same(vm.context_count(), 4)
}

fn interleaved(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new();
    let [name, len] = guest.put("plugin_name");
    let whose = |callback: &str| {
        let read = format!("(drop {})", call("proxy_get_property", &[name, len, AT, LEN]));
        format!("(call $n (local.get 0)) {read} (call $out) {callback}")
    };
    let guest = guest
        .on("proxy_on_request_headers", whose(&say(1)))
        .on("proxy_on_response_headers", whose(&say(2)))
        .on("proxy_on_log", whose(&say(3)));
    let (vm, first) = bay.started(&guest)?;
    let second = vm.start_plugin(plugin("second"))?;
    let (one, two) = (
        vm.create_stream(first, bay.stream())?,
        vm.create_stream(second, bay.stream())?,
    );
    vm.on_request_headers(one, 1, true)?;
    vm.on_request_headers(two, 1, true)?;
    vm.on_response_headers(one, 1, true)?;
    vm.on_log(two)?;
    vm.finish(two)?;
    vm.on_log(one)?;
    let expected = [
        ["3", "my_plugin", "1"],
        ["4", "second", "1"],
        ["3", "my_plugin", "2"],
        ["4", "second", "3"],
        ["3", "my_plugin", "3"],
    ];
    same(bay.reports(), expected.concat())
}

fn ids(bay: &mut Bay) -> Verdict {
    let (vm, root) = bay.started(&Guest::new())?;
    let mut seen = vec![root.get()];
    for round in 0..500 {
        let id = vm.create_stream(root, bay.stream())?;
        seen.push(id.get());
        if round % 3 == 0 {
            vm.finish(id)?;
        }
    }
    let count = seen.len();
    seen.sort_unstable();
    seen.dedup();
    same((seen.len(), seen.first() == Some(&0)), (count, false))
}

fn effective_other(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new();
    let [name, len] = guest.put("plugin_name");
    let read = || status("proxy_get_property", &[name, len, AT, LEN]) + "(call $out)";
    // The second plugin's root context is 2, and its stream 4.
    let steps = [2, 4, 0].map(|of| status("proxy_set_effective_context", &[of]) + &read());
    let (vm, first) = bay.started(&guest.on_request(&steps))?;
    let second = vm.start_plugin(plugin("second"))?;
    let one = vm.create_stream(first, bay.stream())?;
    vm.create_stream(second, bay.stream())?;
    vm.on_request_headers(one, 1, true)?;
    same(
        bay.reports(),
        ["0", "0", "second", "0", "0", "second", "0", "0", "my_plugin"],
    )
}

fn effective_nobody(bay: &mut Bay) -> Verdict {
    let steps = [3, 77, u32::MAX].map(|of| status("proxy_set_effective_context", &[of]));
    let (vm, root) = bay.started(&Guest::new().on_request(&steps))?;
    let (one, gone) = (
        vm.create_stream(root, bay.stream())?,
        vm.create_stream(root, bay.stream())?,
    );
    vm.on_request_headers(one, 1, true)?;
    same(bay.reports(), ["0", "2", "2"])?;
    vm.finish(gone)?;
    vm.on_request_headers(one, 1, true)?;
    same(bay.reports(), ["2", "2", "2"])
}

/// Ends the context with this number, which waits for it.
fn ends(id: u32) -> [String; 2] {
    [
        status("proxy_set_effective_context", &[id]),
        status("proxy_done", &[]),
    ]
}

const DELETED: &str = "(call $n (i32.add (i32.const 100) (local.get $context_id)))";

fn deferred(bay: &mut Bay) -> Verdict {
    let guest = Guest::new()
        .returning("proxy_on_done", "", "(i32.const 0)")
        .on("proxy_on_delete", DELETED)
        .on_request(&ends(2));
    let (vm, root) = bay.started(&guest)?;
    let (first, second) = (
        vm.create_stream(root, bay.stream())?,
        vm.create_stream(root, bay.stream())?,
    );
    vm.finish(first)?;
    // Once more is no more.
    vm.finish(first)?;
    same((bay.reports(), vm.context_count()), (vec![], 3))?;
    same(vm.stream(first).is_some(), true)?;
    vm.on_request_headers(second, 1, true)?;
    same(bay.reports(), ["0", "0", "102"])?;
    same((vm.context_count(), vm.stream(first).is_some()), (2, false))
}

fn deferred_plugin(bay: &mut Bay) -> Verdict {
    let guest = Guest::new()
        .on(
            "proxy_on_configure",
            format!("(drop {})", call("proxy_set_tick_period_milliseconds", &[5])),
        )
        .returning(
            "proxy_on_done",
            "",
            "(i32.gt_u (local.get $context_id) (i32.const 1))",
        )
        .on("proxy_on_delete", DELETED)
        .on("proxy_on_tick", status("proxy_done", &[]));
    let (vm, root) = bay.started(&guest)?;
    let stream = vm.create_stream(root, bay.stream())?;
    vm.finish(root)?;
    // A stream may outlive its plugin's end, and the plugin still ticks.
    vm.on_request_headers(stream, 1, true)?;
    vm.on_tick(root)?;
    same(bay.reports(), ["0", "101"])?;
    vm.on_tick(root)?;
    vm.finish(stream)?;
    same((bay.reports(), vm.context_count()), (vec!["102".to_owned()], 0))
}

fn after_the_end(bay: &mut Bay) -> Verdict {
    let guest = Guest::new()
        .on("proxy_on_done", say(1))
        .on("proxy_on_delete", say(2))
        .on("proxy_on_log", say(3));
    let (vm, root) = bay.started(&guest)?;
    let stream = vm.create_stream(root, bay.stream())?;
    vm.on_log(stream)?;
    vm.finish(stream)?;
    same(bay.reports(), ["3", "1", "2"])?;
    for _ in 0..2 {
        vm.finish(stream)?;
    }
    same((bay.reports(), bay.streams()), (vec![], 0))
}

fn not_exported(bay: &mut Bay) -> Verdict {
    let (vm, root) = bay.started(&Guest::new())?;
    let id = vm.create_stream(root, bay.stream())?;
    let results = [
        vm.on_request_headers(id, 1, false)?.name(),
        vm.on_request_body(id, 1, false)?.name(),
        vm.on_request_trailers(id, 1)?.name(),
        vm.on_response_headers(id, 1, false)?.name(),
        vm.on_response_body(id, 1, false)?.name(),
        vm.on_response_trailers(id, 1)?.name(),
    ];
    same(results, ["CONTINUE"; 6])?;
    vm.on_tick(root)?;
    vm.on_log(id)?;
    vm.finish(id)?;
    same(vm.context_count(), 1)
}

const CALLBACKS: &[&str] = &[
    "proxy_on_context_create",
    "proxy_on_vm_start",
    "proxy_on_configure",
    "proxy_on_response_headers",
    "proxy_on_request_body",
    "proxy_on_response_body",
    "proxy_on_request_trailers",
    "proxy_on_response_trailers",
    "proxy_on_new_connection",
    "proxy_on_log",
    "proxy_on_done",
    "proxy_on_delete",
];

fn refused_later(bay: &mut Bay) -> Verdict {
    let guest = CALLBACKS
        .iter()
        .fold(Guest::new(), |guest, export| guest.on(export, say(7)));
    let (vm, root) = bay.started(&guest.on("proxy_on_request_headers", "(unreachable)"))?;
    let (other, id) = (
        vm.create_stream(root, bay.stream())?,
        vm.create_stream(root, bay.stream())?,
    );
    bay.reports();
    let failure = failed(vm.on_request_headers(id, 1, true))?;
    same(failure.function(), Some("proxy_on_request_headers"))?;
    bay.reports();
    let later = [
        vm.start_plugin(plugin("second")).map(drop),
        vm.create_stream(root, bay.stream()).map(drop),
        vm.on_request_headers(other, 0, true).map(drop),
        vm.on_response_headers(other, 0, true).map(drop),
        vm.on_request_body(other, 0, true).map(drop),
        vm.on_response_body(other, 0, true).map(drop),
        vm.on_request_trailers(other, 0).map(drop),
        vm.on_response_trailers(other, 0).map(drop),
        vm.on_new_connection(other).map(drop),
        vm.on_log(other),
        vm.finish(other),
        vm.finish(id),
        vm.on_tick(root),
        vm.deliver(),
    ];
    for result in later {
        same(failed(result)?.to_string(), failure.to_string())?;
    }
    same((bay.reports(), bay.streams()), (vec![], 0))
}

fn kinds(bay: &mut Bay) -> Verdict {
    for (body, kind) in [
        ("(unreachable)", TrapKind::Unreachable),
        ("(drop (i32.load (i32.const -4)))", TrapKind::MemoryOutOfBounds),
        (
            "(drop (i32.div_u (i32.const 1) (i32.const 0)))",
            TrapKind::Arithmetic,
        ),
        ("(call $deep)", TrapKind::StackOverflow),
        ("(call_indirect (i32.const 1))", TrapKind::BadTableAccess),
        ("(call $proc_exit (i32.const 3))", TrapKind::Exit(3)),
    ] {
        let guest = Guest::new().and("(func $deep (call $deep)) (table 2 funcref)");
        let guest = guest.on("proxy_on_request_headers", body);
        let failure = failed(bay.request(&guest))?;
        same(failure.state(), FailState::RuntimeError)?;
        same(failure.trap().map(|trap| trap.kind()), Some(kind))?;
        fails::<()>(Err(failure), FailState::RuntimeError, kind.name())?;
    }
    Ok(())
}

fn waiting_go(bay: &mut Bay) -> Verdict {
    let guest = Guest::new()
        .returning("proxy_on_done", "", "(i32.const 0)")
        .on("proxy_on_request_headers", "(unreachable)");
    let (vm, root) = bay.started(&guest)?;
    let streams = [(); 3].map(|()| vm.create_stream(root, bay.stream()));
    let [Ok(one), Ok(two), Ok(three)] = streams else {
        return Err("no streams".into());
    };
    vm.finish(one)?;
    vm.finish(two)?;
    same(bay.streams(), 3)?;
    failed(vm.on_request_headers(three, 1, true))?;
    same((bay.streams(), vm.context_count()), (1, 2))
}

/// A VM with a stream that sent an HTTP call.
fn calling(bay: &Bay, guest: Guest) -> Result<Vm<Stream>, Box<dyn std::error::Error>> {
    let mut guest = guest;
    let [name, len] = guest.put("cluster");
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
    let pairs = enginebay::abi::pairs::encode(headers).map_err(|error| format!("{error:?}"))?;
    let [pairs, pairs_len] = guest.put(pairs);
    let args = [name, len, pairs, pairs_len, 0, 0, 0, 0, 1000, AT];
    let guest = guest.on_request(&[status("proxy_http_call", &args)]);
    let (vm, id) = bay.streaming(&guest, "my_vm")?;
    vm.on_request_headers(id, 1, true)?;
    same(bay.reports(), ["0"])?;
    same(vm.callout_count(), 1)?;
    Ok(vm)
}

/// The callouts that were cancelled.
fn cancelled(bay: &Bay) -> usize {
    let seen = bay.world.seen();
    let called = &seen.borrow().called;
    called.iter().filter(|line| line.starts_with("cancel")).count()
}

fn callouts_cancelled(bay: &mut Bay) -> Verdict {
    let vm = calling(bay, Guest::new().on("proxy_on_response_headers", "(unreachable)"))?;
    same(cancelled(bay), 0)?;
    let stream = enginebay::ContextId::for_tests(2);
    failed(vm.on_response_headers(stream, 1, true))?;
    same((cancelled(bay), vm.callout_count()), (1, 0))
}

fn others_go_on(bay: &mut Bay) -> Verdict {
    let guest = Guest::new().on(
        "proxy_on_request_headers",
        format!(
            "{} (if (i32.eqz (local.get $num_headers)) (then (unreachable)))",
            say(1)
        ),
    );
    let program = bay.load(&guest.wat())?;
    let make = || Vm::<Stream>::new(&program, &Default::default(), bay.world.clone());
    let (one, two) = (make()?, make()?);
    let roots = (one.start_plugin(plugin("a"))?, two.start_plugin(plugin("b"))?);
    let ids = (
        one.create_stream(roots.0, bay.stream())?,
        two.create_stream(roots.1, bay.stream())?,
    );
    failed(one.on_request_headers(ids.0, 0, true))?;
    bay.reports();
    two.on_request_headers(ids.1, 1, true)?;
    failed(one.on_request_headers(ids.0, 1, true))?;
    same(bay.reports(), ["1"])?;
    // And new ones of the same program.
    let three = make()?;
    let root = three.start_plugin(plugin("c"))?;
    let id = three.create_stream(root, bay.stream())?;
    three.on_request_headers(id, 1, true)?;
    same(bay.reports(), ["1"])
}

fn dropped_with_streams(bay: &mut Bay) -> Verdict {
    let guest = Guest::new()
        .on("proxy_on_done", say(1))
        .on("proxy_on_delete", say(2));
    let (vm, root) = bay.started(&guest)?;
    for _ in 0..100 {
        vm.create_stream(root, bay.stream())?;
    }
    same(bay.streams(), 100)?;
    drop(vm);
    same((bay.streams(), bay.reports()), (0, vec![]))
}

fn dropped_with_callouts(bay: &mut Bay) -> Verdict {
    let vm = calling(bay, Guest::new().on("proxy_on_http_call_response", load(AT)))?;
    drop(vm);
    same((bay.streams(), bay.reports()), (0, vec![]))
}
