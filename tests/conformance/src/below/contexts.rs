//! Plugins and streams of a VM: who is told what, and when they go.

use super::Case;
use super::bay::{Bay, Verdict, plugin, same};
use super::guest::{AT, Guest, LEN, call, say, status};

pub(super) const CASES: &[Case] = &[
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
];

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
