//! Bounds that a native plugin reaches too.

use super::{commands, started};
use crate::below::Case;
use crate::below::bay::{Bay, Verdict, same};

pub(super) const CASES: &[Case] = &[
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
