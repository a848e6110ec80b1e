//! What is left of a VM that failed or was dropped, and what is not.

use enginebay::engine::TrapKind;
use enginebay::{FailState, Vm};

use super::Case;
use super::bay::{Bay, Verdict, failed, fails, plugin, same};
use super::guest::{AT, Guest, load, say, status};
use crate::engine::embedder::Stream;

pub(super) const CASES: &[Case] = &[
    ("failure/every_later_call_is_refused", refused_later),
    ("failure/the_kind_of_trap_is_told", kinds),
    ("failure/waiting_contexts_go", waiting_go),
    ("failure/open_callouts_are_cancelled", callouts_cancelled),
    ("failure/other_vms_go_on", others_go_on),
    ("dropping/a_vm_with_streams", dropped_with_streams),
    ("dropping/a_vm_with_callouts", dropped_with_callouts),
];

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
