//! Data, queues and metrics of several VMs.

use enginebay::host::MetricValue;

use super::{commands, request, response, streaming};
use crate::below::Case;
use crate::below::bay::{Bay, Verdict, failed, same};

pub(super) const CASES: &[Case] = &[
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
];

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
