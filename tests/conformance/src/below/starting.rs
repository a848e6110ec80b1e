//! From a VM's first instruction to a plugin that is configured.

use enginebay::FailState;
use enginebay::engine::TrapKind;

use super::Case;
use super::bay::{Bay, Verdict, failed, fails, same};
use super::guest::{Guest, say};

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
