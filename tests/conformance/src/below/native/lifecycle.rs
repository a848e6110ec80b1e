//! Starting, contexts, and VMs that fail or are dropped.

use enginebay::FailState;
use enginebay::engine::TrapKind;

use super::{request, started, streaming};
use crate::below::Case;
use crate::below::bay::{Bay, Verdict, failed, fails, plugin as config, same};

pub(super) const CASES: &[Case] = &[
    ("lifecycle/starting/order_and_arguments", order),
    ("lifecycle/starting/a_plugin_that_does_not_start", not_started),
    (
        "lifecycle/starting/a_plugin_that_does_not_configure",
        not_configured,
    ),
    ("lifecycle/starting/traps", traps),
    (
        "lifecycle/contexts/streams_of_two_plugins_interleaved",
        interleaved,
    ),
    ("lifecycle/contexts/ids_are_unique_and_never_0", ids),
    (
        "lifecycle/contexts/the_effective_context_of_another_plugin",
        effective_other,
    ),
    (
        "lifecycle/contexts/the_effective_context_of_nobody",
        effective_nobody,
    ),
    ("lifecycle/contexts/proxy_done_deferred", deferred),
    ("lifecycle/contexts/callbacks_after_the_end", after_the_end),
    ("lifecycle/failure/every_later_call_is_refused", refused_later),
    ("lifecycle/failure/waiting_contexts_go", waiting_go),
    ("lifecycle/failure/other_vms_go_on", others_go_on),
    ("lifecycle/dropping/a_vm_with_streams", dropped),
];

fn order(bay: &mut Bay) -> Verdict {
    let (vm, root) = started(bay, "create say create\nstart say start\nconfigure say configure")?;
    same(bay.reports(), ["create", "start", "configure"])?;
    vm.create_stream(root, bay.stream())?;
    same(bay.reports(), ["create"])
}

fn not_started(bay: &mut Bay) -> Verdict {
    let message = "Failed to start base Wasm: proxy_on_vm_start returned false";
    let result = started(bay, "start wait\nconfigure say 1");
    fails(result, FailState::StartFailed, message)?;
    same(bay.reports(), [""; 0])
}

fn not_configured(bay: &mut Bay) -> Verdict {
    let message = "Failed to configure base Wasm plugin: proxy_on_configure returned false";
    fails(
        started(bay, "configure wait"),
        FailState::ConfigureFailed,
        message,
    )
}

fn traps(bay: &mut Bay) -> Verdict {
    for (callback, export, state) in [
        ("create", "proxy_on_context_create", FailState::StartFailed),
        ("start", "proxy_on_vm_start", FailState::StartFailed),
        ("configure", "proxy_on_configure", FailState::ConfigureFailed),
    ] {
        let failure = failed(started(bay, &format!("{callback} trap")))?;
        same((failure.state(), failure.function()), (state, Some(export)))?;
        same(
            failure.trap().map(|trap| trap.kind()),
            Some(TrapKind::Unreachable),
        )?;
    }
    Ok(())
}

fn interleaved(bay: &mut Bay) -> Verdict {
    let (vm, first) = started(bay, "request whose\nresponse whose\nlog whose")?;
    let second = vm.start_plugin(config("second"))?;
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
    let whose = ["my_plugin", "second", "my_plugin", "second", "my_plugin"];
    same(bay.reports(), whose.map(|name| ["0", name]).concat())
}

fn ids(bay: &mut Bay) -> Verdict {
    let (vm, root) = started(bay, "")?;
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
    let script = "request effective -1\nrequest whose\nrequest effective 1\nrequest whose\nrequest effective 0\nrequest whose";
    let (vm, first) = started(bay, script)?;
    let second = vm.start_plugin(config("second"))?;
    let one = vm.create_stream(first, bay.stream())?;
    vm.create_stream(second, bay.stream())?;
    vm.on_request_headers(one, 1, true)?;
    let expected = ["0", "0", "second", "0", "0", "second", "0", "0", "my_plugin"];
    same(bay.reports(), expected)
}

fn effective_nobody(bay: &mut Bay) -> Verdict {
    let (vm, root) = started(bay, "request effective 1\nrequest effective 7000")?;
    let (one, gone) = (
        vm.create_stream(root, bay.stream())?,
        vm.create_stream(root, bay.stream())?,
    );
    vm.on_request_headers(one, 1, true)?;
    same(bay.reports(), ["0", "2"])?;
    vm.finish(gone)?;
    vm.on_request_headers(one, 1, true)?;
    same(bay.reports(), ["2", "2"])
}

fn deferred(bay: &mut Bay) -> Verdict {
    let script = "done wait\ndelete say deleted\nrequest effective -1\nrequest done";
    let (vm, root) = started(bay, script)?;
    let (first, second) = (
        vm.create_stream(root, bay.stream())?,
        vm.create_stream(root, bay.stream())?,
    );
    vm.finish(first)?;
    vm.finish(first)?;
    same((bay.reports(), vm.context_count()), (vec![], 3))?;
    vm.on_request_headers(second, 1, true)?;
    same(bay.reports(), ["0", "0", "deleted"])?;
    same((vm.context_count(), vm.stream(first).is_some()), (2, false))
}

fn after_the_end(bay: &mut Bay) -> Verdict {
    let (vm, root) = started(bay, "done say done\ndelete say delete\nlog say log")?;
    let stream = vm.create_stream(root, bay.stream())?;
    vm.on_log(stream)?;
    vm.finish(stream)?;
    same(bay.reports(), ["log", "done", "delete"])?;
    vm.finish(stream)?;
    same((bay.reports(), bay.streams()), (vec![], 0))
}

fn refused_later(bay: &mut Bay) -> Verdict {
    let script = "request trap\nresponse say 7\nlog say 7\ndone say 7\ndelete say 7";
    let (vm, root) = started(bay, script)?;
    let (other, id) = (
        vm.create_stream(root, bay.stream())?,
        vm.create_stream(root, bay.stream())?,
    );
    let failure = failed(vm.on_request_headers(id, 1, true))?;
    same(failure.function(), Some("proxy_on_request_headers"))?;
    bay.reports();
    for result in [
        vm.create_stream(root, bay.stream()).map(drop),
        vm.on_request_headers(other, 1, true).map(drop),
        vm.on_response_headers(other, 1, true).map(drop),
        vm.on_log(other),
        vm.finish(other),
        vm.finish(id),
        vm.on_tick(root),
        vm.deliver(),
    ] {
        same(failed(result)?.to_string(), failure.to_string())?;
    }
    same((bay.reports(), bay.streams()), (vec![], 0))
}

fn waiting_go(bay: &mut Bay) -> Verdict {
    let (vm, root) = started(bay, "done wait\nrequest trap")?;
    let (one, two) = (
        vm.create_stream(root, bay.stream())?,
        vm.create_stream(root, bay.stream())?,
    );
    vm.finish(one)?;
    same(bay.streams(), 2)?;
    failed(vm.on_request_headers(two, 1, true))?;
    same((bay.streams(), vm.context_count()), (1, 2))
}

fn others_go_on(bay: &mut Bay) -> Verdict {
    let one = streaming(bay, "vm", "request trap")?;
    let two = streaming(bay, "vm", "request say 1")?;
    failed(request(&one))?;
    bay.reports();
    request(&two)?;
    same(bay.reports(), ["1"])?;
    request(&streaming(bay, "vm", "request say 2")?)?;
    same(bay.reports(), ["2"])
}

fn dropped(bay: &mut Bay) -> Verdict {
    let (vm, root) = started(bay, "done say 1\ndelete say 2")?;
    for _ in 0..100 {
        vm.create_stream(root, bay.stream())?;
    }
    same(bay.streams(), 100)?;
    drop(vm);
    same((bay.streams(), bay.reports()), (0, vec![]))
}
