//! Cases that native plugins can be asked as well: the names are those of the cases with guests of WebAssembly, and so is
//! what must come of them.

mod plugin;

use enginebay::engine::TrapKind;
use enginebay::host::MetricValue;
use enginebay::{ContextId, FailState, Failure, Vm, VmConfig};

use super::Case;
use super::bay::{Bay, Verdict, failed, fails, plugin as config, same};
use crate::engine::embedder::Stream;

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
    ("sharing/data/seen_by_another_vm", data_seen),
    ("sharing/data/cas_over_two_vms", data_cas),
    ("sharing/data/not_of_another_vm_id", data_of_another_vm_id),
    ("sharing/data/stays_when_a_vm_fails", data_after_failure),
    ("sharing/data/goes_with_the_last_vm", data_gone),
    ("sharing/queues/resolved_by_vm_id", queue_resolved),
    ("sharing/queues/in_order_between_vms", queue_order),
    ("sharing/queues/who_registered_last_is_told", queue_ready),
    ("sharing/queues/go_with_the_last_vm", queue_gone),
    ("sharing/metrics/one_name_is_one_metric", metric_of_two_vms),
    ("sharing/metrics/of_all_vm_ids", metric_of_vm_ids),
    ("sharing/metrics/stay_when_the_vm_goes", metric_stays),
    ("limits/vm/headers_entries", headers_entries),
    ("limits/vm/buffer", buffer),
    ("limits/vm/property", property),
    ("limits/vm/finishing", finishing),
    ("limits/vm/log_rate", log_rate),
    ("limits/shared/data_entries", data_entries),
    ("limits/shared/queues", queues),
    ("limits/shared/queue_items", queue_items),
    ("limits/shared/metrics", metrics),
    ("limits/shared/name_bytes", name_bytes),
];

type Streaming = (Vm<Stream>, ContextId);

/// A VM that does this.
fn vm(bay: &Bay, vm_id: &str, script: &str) -> Result<Vm<Stream>, Failure> {
    let config = VmConfig {
        vm_id: vm_id.to_owned(),
        configuration: script.as_bytes().to_vec(),
        ..VmConfig::default()
    };
    let program = bay.load_bytes(plugin::NAME.as_bytes())?;
    Vm::new(&program, &config.into(), bay.world.clone())
}

/// With a plugin.
fn started(bay: &Bay, script: &str) -> Result<Streaming, Failure> {
    let vm = vm(bay, "vm", script)?;
    let root = vm.start_plugin(config("my_plugin"))?;
    Ok((vm, root))
}

/// With a plugin and a stream.
fn streaming(bay: &Bay, vm_id: &str, script: &str) -> Result<Streaming, Failure> {
    let vm = vm(bay, vm_id, script)?;
    let root = vm.start_plugin(config("my_plugin"))?;
    let id = vm.create_stream(root, bay.stream())?;
    Ok((vm, id))
}

fn request((vm, id): &Streaming) -> Result<(), Failure> {
    vm.on_request_headers(*id, 1, true).map(drop)
}

fn response((vm, id): &Streaming) -> Result<(), Failure> {
    vm.on_response_headers(*id, 1, true).map(drop)
}

/// What these commands report in a request.
fn commands(bay: &Bay, commands: &[&str]) -> Result<Vec<String>, Failure> {
    let script: String = commands
        .iter()
        .map(|command| format!("request {command}\n"))
        .collect();
    request(&streaming(bay, "vm", &script)?)?;
    Ok(bay.reports())
}

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

fn data_seen(bay: &mut Bay) -> Verdict {
    let one = streaming(bay, "vm", "request set k value")?;
    let two = streaming(bay, "vm", "request get k\nresponse set k")?;
    request(&two)?;
    same(bay.reports(), ["1", ""])?;
    request(&one)?;
    request(&two)?;
    same(bay.reports(), ["0", "0", "value"])?;
    response(&two)?;
    request(&two)?;
    same(bay.reports(), ["0", "0", ""])
}

fn data_cas(bay: &mut Bay) -> Verdict {
    let script = "configure set k 1\nrequest get k\nresponse set_got k mine";
    let (one, two) = (streaming(bay, "vm", script)?, streaming(bay, "vm", script)?);
    request(&one)?;
    request(&two)?;
    bay.reports();
    response(&two)?;
    response(&one)?;
    same(bay.reports(), ["0", "8"])?;
    request(&one)?;
    response(&one)?;
    same(bay.reports(), ["0", "mine", "0"])
}

fn data_of_another_vm_id(bay: &mut Bay) -> Verdict {
    let one = streaming(bay, "one", "request set k 1\nresponse get k")?;
    let two = streaming(bay, "two", "request get k\nresponse set k 2")?;
    request(&one)?;
    request(&two)?;
    response(&two)?;
    response(&one)?;
    same(bay.reports(), ["0", "1", "", "0", "0", "1"])
}

fn data_after_failure(bay: &mut Bay) -> Verdict {
    let one = streaming(bay, "vm", "request set k left\nresponse trap")?;
    let two = streaming(bay, "vm", "request get k")?;
    request(&one)?;
    failed(response(&one))?;
    bay.reports();
    request(&two)?;
    drop(one);
    request(&two)?;
    same(bay.reports(), ["0", "left", "0", "left"])
}

fn data_gone(bay: &mut Bay) -> Verdict {
    request(&streaming(bay, "vm", "request set k 1")?)?;
    bay.reports();
    same(commands(bay, &["get k"])?, ["1", ""])
}

fn queue_resolved(bay: &mut Bay) -> Verdict {
    let one = streaming(bay, "vm", "request register q")?;
    let two = streaming(bay, "other", "request resolve other q\nrequest resolve vm q")?;
    request(&one)?;
    request(&two)?;
    same(bay.reports(), ["0", "1", "0"])
}

fn queue_order(bay: &mut Bay) -> Verdict {
    let one = streaming(
        bay,
        "vm",
        "request register q\nresponse dequeue\nresponse dequeue\nresponse dequeue",
    )?;
    let two = streaming(
        bay,
        "other",
        "request resolve vm q\nrequest enqueue first\nrequest enqueue second",
    )?;
    request(&one)?;
    request(&two)?;
    bay.reports();
    response(&one)?;
    same(bay.reports(), ["0", "first", "0", "second", "7", ""])
}

fn queue_ready(bay: &mut Bay) -> Verdict {
    let consumer = |number: u32| format!("configure register q\nready say {number}\nready dequeue");
    let one = streaming(bay, "vm", &consumer(100))?;
    let producer = streaming(bay, "other", "request resolve vm q\nrequest enqueue item")?;
    let two = streaming(bay, "vm", &consumer(200))?;
    request(&producer)?;
    bay.reports();
    one.0.deliver()?;
    producer.0.deliver()?;
    same(bay.reports(), [""; 0])?;
    two.0.deliver()?;
    two.0.deliver()?;
    same(bay.reports(), ["200", "0", "item"])
}

fn queue_gone(bay: &mut Bay) -> Verdict {
    let one = streaming(bay, "vm", "request register q")?;
    let two = streaming(bay, "other", "request resolve vm q\nresponse enqueue item")?;
    request(&one)?;
    request(&two)?;
    drop(one);
    response(&two)?;
    request(&two)?;
    same(bay.reports(), ["0", "0", "1", "1"])
}

fn metric_of_two_vms(bay: &mut Bay) -> Verdict {
    let one = streaming(
        bay,
        "vm",
        "request counter m\nrequest increment 3\nresponse value",
    )?;
    let two = streaming(
        bay,
        "vm",
        "request counter m\nrequest increment 4\nresponse value",
    )?;
    request(&one)?;
    request(&two)?;
    bay.reports();
    response(&one)?;
    response(&two)?;
    same(bay.reports(), ["0", "7", "0", "7"])
}

fn metric_of_vm_ids(bay: &mut Bay) -> Verdict {
    let one = streaming(bay, "one", "request gauge m\nrequest increment 5\nresponse value")?;
    let two = streaming(bay, "two", "request gauge m\nrequest increment -2")?;
    request(&one)?;
    request(&two)?;
    bay.reports();
    response(&one)?;
    same(bay.reports(), ["0", "3"])
}

fn metric_stays(bay: &mut Bay) -> Verdict {
    same(commands(bay, &["counter m", "increment 3"])?, ["0", "0"])?;
    let metrics = enginebay::Platform::shared(&*bay.world).metrics().snapshot();
    same(metrics, vec![("m".to_owned(), MetricValue::Counter(3))])
}

fn headers_entries(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.headers.entries = 5);
    same(commands(bay, &["header x 1", "header y 2"])?, ["0", "2"])
}

fn buffer(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.buffer = 7);
    same(
        commands(bay, &["append 123", "append 12", "append 1"])?,
        ["2", "0", "2"],
    )
}

fn property(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.property = 6);
    same(
        commands(bay, &["property path 123", "property path 12"])?,
        ["2", "0"],
    )
}

fn finishing(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.finishing = 2);
    let (vm, root) = started(bay, "done wait\ndelete say deleted")?;
    for _ in 0..3 {
        let stream = vm.create_stream(root, bay.stream())?;
        vm.finish(stream)?;
    }
    same(
        (bay.reports(), vm.context_count()),
        (vec!["deleted".to_owned()], 3),
    )
}

fn log_rate(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.log_rate = 3);
    same(
        commands(bay, &["say 1", "say 2", "say 3", "say 4"])?,
        ["1", "2", "3"],
    )
}

fn data_entries(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.data_entries = 2);
    same(
        commands(bay, &["set a 1", "set b 1", "set c 1", "set a 1"])?,
        ["0", "0", "10", "0"],
    )
}

fn queues(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.queues = 2);
    let names = ["register a", "register b", "register c", "register a"];
    same(commands(bay, &names)?, ["0", "0", "10", "0"])
}

fn queue_items(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.queue_items = 2);
    let steps = [
        "register q",
        "enqueue a",
        "enqueue b",
        "enqueue c",
        "dequeue",
        "enqueue c",
    ];
    same(commands(bay, &steps)?, ["0", "0", "0", "10", "0", "a", "0"])
}

fn metrics(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.metrics = 2);
    let names = ["counter a", "gauge a", "counter b", "counter a"];
    same(commands(bay, &names)?, ["0", "0", "10", "0"])
}

fn name_bytes(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.name_bytes = 3);
    let names = ["register four", "register now", "counter four", "counter now"];
    same(commands(bay, &names)?, ["10", "0", "10", "0"])
}
