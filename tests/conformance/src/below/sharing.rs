//! What VMs share, and what they do not.

use enginebay::host::MetricValue;

use super::Case;
use super::bay::{Bay, Verdict, failed, plugin, same};
use super::guest::{AT, Guest, LEN, NUMBER, load, status};

pub(super) const CASES: &[Case] = &[
    ("data/seen_by_another_vm", data_seen),
    ("data/cas_over_two_vms", data_cas),
    ("data/not_of_another_vm_id", data_of_another_vm_id),
    ("data/empty_values_and_keys", data_empty),
    ("data/keys_with_nul_bytes", data_nul),
    ("data/stays_when_a_vm_fails", data_after_failure),
    ("data/goes_with_the_last_vm", data_gone),
    ("data/written_by_all_contexts", data_of_contexts),
    ("queues/one_name_is_one_queue", queue_of_two_vms),
    ("queues/resolved_by_vm_id", queue_resolved),
    ("queues/in_order_between_vms", queue_order),
    ("queues/who_registered_last_is_told", queue_ready),
    ("queues/told_once_for_each_item", queue_told_each),
    ("queues/go_with_the_last_vm", queue_gone),
    ("queues/stay_when_a_vm_fails", queue_after_failure),
    ("metrics/one_name_is_one_metric", metric_of_two_vms),
    ("metrics/of_all_vm_ids", metric_of_vm_ids),
    ("metrics/the_kinds_are_apart", metric_kinds),
    ("metrics/stay_when_the_vm_goes", metric_stays),
];

fn set(guest: &mut Guest, key: &str, value: &str) -> String {
    let ([key, key_len], [value, value_len]) = (guest.put(key), guest.put(value));
    status("proxy_set_shared_data", &[key, key_len, value, value_len, 0])
}

/// Reports the status and the value; the number to compare with is at [`NUMBER`].
fn get(guest: &mut Guest, key: &str) -> String {
    let [key, len] = guest.put(key);
    status("proxy_get_shared_data", &[key, len, AT, LEN, NUMBER]) + "(call $out)"
}

/// Sets what was got, if nobody else did meanwhile.
fn set_got(guest: &mut Guest, key: &str, value: &str) -> String {
    let ([key, key_len], [value, value_len]) = (guest.put(key), guest.put(value));
    format!(
        "(call $n (call $proxy_set_shared_data (i32.const {key}) (i32.const {key_len}) (i32.const {value})
            (i32.const {value_len}) (i32.load (i32.const {NUMBER}))))"
    )
}

/// A guest that does one thing in the request's headers, another in the response's.
fn guest(headers: impl FnOnce(&mut Guest) -> String, response: impl FnOnce(&mut Guest) -> String) -> Guest {
    let mut guest = Guest::new();
    let (headers, response) = (headers(&mut guest), response(&mut guest));
    guest
        .on("proxy_on_request_headers", headers)
        .on("proxy_on_response_headers", response)
}

fn nothing(_: &mut Guest) -> String {
    String::new()
}

fn data_seen(bay: &mut Bay) -> Verdict {
    let (one, a) = bay.streaming(&guest(|g| set(g, "k", "value"), nothing), "vm")?;
    let (two, b) = bay.streaming(&guest(|g| get(g, "k"), |g| set(g, "k", "")), "vm")?;
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["1", ""])?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["0", "0", "value"])?;
    // There is no deleting; an empty value is one.
    two.on_response_headers(b, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["0", "0", ""])
}

fn data_cas(bay: &mut Bay) -> Verdict {
    let make = || guest(|g| get(g, "k"), |g| set_got(g, "k", "mine"));
    let (one, a) = bay.streaming(&make(), "vm")?;
    let (two, b) = bay.streaming(&make(), "vm")?;
    let (first, c) = bay.streaming(&guest(|g| set(g, "k", "1"), nothing), "vm")?;
    first.on_request_headers(c, 1, true)?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    bay.reports();
    two.on_response_headers(b, 1, true)?;
    one.on_response_headers(a, 1, true)?;
    // CAS_MISMATCH for who came second, until it has looked again.
    same(bay.reports(), ["0", "8"])?;
    one.on_request_headers(a, 1, true)?;
    one.on_response_headers(a, 1, true)?;
    same(bay.reports(), ["0", "mine", "0"])
}

fn data_of_another_vm_id(bay: &mut Bay) -> Verdict {
    let (one, a) = bay.streaming(&guest(|g| set(g, "k", "1"), nothing), "one")?;
    let (two, b) = bay.streaming(&guest(|g| get(g, "k"), |g| set(g, "k", "2")), "two")?;
    let (three, c) = bay.streaming(&guest(|g| get(g, "k"), nothing), "one")?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["0", "1", ""])?;
    two.on_response_headers(b, 1, true)?;
    three.on_request_headers(c, 1, true)?;
    same(bay.reports(), ["0", "0", "1"])
}

fn data_empty(bay: &mut Bay) -> Verdict {
    let steps = guest(|g| set(g, "", "") + &get(g, "") + &get(g, "k"), nothing);
    same(bay.request(&steps)?, ["0", "0", "", "1", ""])
}

fn data_nul(bay: &mut Bay) -> Verdict {
    let steps = guest(
        |g| set(g, "a\0b", "1\0") + &set(g, "a", "2") + &get(g, "a\0b") + &get(g, "a") + &get(g, "a\0"),
        nothing,
    );
    same(bay.request(&steps)?, ["0", "0", "0", "1\0", "0", "2", "1", "2"])
}

fn data_after_failure(bay: &mut Bay) -> Verdict {
    let failing = guest(|g| set(g, "k", "left"), |_| "(unreachable)".to_owned());
    let (one, a) = bay.streaming(&failing, "vm")?;
    let (two, b) = bay.streaming(&guest(|g| get(g, "k"), nothing), "vm")?;
    one.on_request_headers(a, 1, true)?;
    failed(one.on_response_headers(a, 1, true))?;
    bay.reports();
    two.on_request_headers(b, 1, true)?;
    drop(one);
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["0", "left", "0", "left"])
}

fn data_gone(bay: &mut Bay) -> Verdict {
    let (one, a) = bay.streaming(&guest(|g| set(g, "k", "1"), nothing), "vm")?;
    one.on_request_headers(a, 1, true)?;
    drop(one);
    bay.reports();
    same(bay.request(&guest(|g| get(g, "k"), nothing))?, ["1", ""])
}

fn data_of_contexts(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new();
    let (write, read) = (set(&mut guest, "k", "of the root"), get(&mut guest, "k"));
    let guest = guest.on("proxy_on_configure", write).on_request(&[read]);
    let (vm, first) = bay.started(&guest)?;
    let stream = vm.create_stream(first, bay.stream())?;
    vm.on_request_headers(stream, 1, true)?;
    // Of another plugin in the VM too.
    let second = vm.start_plugin(plugin("second"))?;
    let stream = vm.create_stream(second, bay.stream())?;
    vm.on_request_headers(stream, 1, true)?;
    same(bay.reports(), ["0", "0", "of the root", "0", "0", "of the root"])
}

fn register(guest: &mut Guest) -> String {
    let [name, len] = guest.put("q");
    status("proxy_register_shared_queue", &[name, len, NUMBER])
}

fn resolve(guest: &mut Guest, vm_id: &str) -> String {
    let ([id, id_len], [name, len]) = (guest.put(vm_id), guest.put("q"));
    status("proxy_resolve_shared_queue", &[id, id_len, name, len, NUMBER])
}

/// Adds to the queue whose number is at [`NUMBER`].
fn enqueue(guest: &mut Guest, item: &str) -> String {
    let [item, len] = guest.put(item);
    format!(
        "(call $n (call $proxy_enqueue_shared_queue (i32.load (i32.const {NUMBER})) (i32.const {item})
            (i32.const {len})))"
    )
}

fn dequeue() -> String {
    format!(
        "(call $n (call $proxy_dequeue_shared_queue (i32.load (i32.const {NUMBER})) (i32.const {AT})
            (i32.const {LEN}))) (call $out)"
    )
}

fn queue_of_two_vms(bay: &mut Bay) -> Verdict {
    let make = || guest(|g| register(g) + &load(NUMBER), nothing);
    let (one, a) = bay.streaming(&make(), "vm")?;
    let (two, b) = bay.streaming(&make(), "vm")?;
    let (other, c) = bay.streaming(&make(), "other")?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    other.on_request_headers(c, 1, true)?;
    same(bay.reports(), ["0", "1", "0", "1", "0", "2"])
}

fn queue_resolved(bay: &mut Bay) -> Verdict {
    let (one, a) = bay.streaming(&guest(register, nothing), "vm")?;
    let looks = |g: &mut Guest| resolve(g, "other") + &resolve(g, "") + &resolve(g, "vm") + &load(NUMBER);
    let (two, b) = bay.streaming(&guest(looks, nothing), "other")?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["0", "1", "1", "0", "1"])
}

fn queue_order(bay: &mut Bay) -> Verdict {
    let (one, a) = bay.streaming(&guest(register, |_| dequeue() + &dequeue() + &dequeue()), "vm")?;
    let adds = |g: &mut Guest| resolve(g, "vm") + &enqueue(g, "first") + &enqueue(g, "second");
    let (two, b) = bay.streaming(&guest(adds, nothing), "other")?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    bay.reports();
    one.on_response_headers(a, 1, true)?;
    // EMPTY, and nothing where the address would be.
    same(bay.reports()[..4].to_vec(), ["0", "first", "0", "second"])?;
    one.on_response_headers(a, 1, true)?;
    same(bay.reports()[..1].to_vec(), ["7"])
}

/// Registers the queue, and reports who is told of items.
fn consumer(number: u32) -> Guest {
    let mut guest = Guest::new();
    let begin = register(&mut guest);
    let told = format!("(call $n (i32.const {number})) (call $n (local.get $plugin_context_id))");
    guest
        .on("proxy_on_configure", begin)
        .on("proxy_on_queue_ready", told + &dequeue())
}

fn queue_ready(bay: &mut Bay) -> Verdict {
    let (one, _) = bay.streaming(&consumer(100), "vm")?;
    let adds = |g: &mut Guest| resolve(g, "vm") + &enqueue(g, "item");
    let (producer, id) = bay.streaming(&guest(adds, nothing), "other")?;
    let (two, _) = bay.streaming(&consumer(200), "vm")?;
    producer.on_request_headers(id, 1, true)?;
    bay.reports();
    one.deliver()?;
    producer.deliver()?;
    same(bay.reports(), [""; 0])?;
    two.deliver()?;
    two.deliver()?;
    same(bay.reports(), ["200", "1", "0", "item"])
}

fn queue_told_each(bay: &mut Bay) -> Verdict {
    let (one, _) = bay.streaming(&consumer(100), "vm")?;
    let adds = |g: &mut Guest| resolve(g, "vm") + &enqueue(g, "a") + &enqueue(g, "b");
    let (producer, id) = bay.streaming(&guest(adds, nothing), "other")?;
    producer.on_request_headers(id, 1, true)?;
    bay.reports();
    one.deliver()?;
    same(bay.reports(), ["100", "1", "0", "a", "100", "1", "0", "b"])
}

fn queue_gone(bay: &mut Bay) -> Verdict {
    let (one, a) = bay.streaming(&guest(register, nothing), "vm")?;
    let adds = |g: &mut Guest| enqueue(g, "item");
    let (two, b) = bay.streaming(&guest(|g| resolve(g, "vm"), adds), "other")?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    drop(one);
    // The number is that of no queue any more.
    two.on_response_headers(b, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["0", "0", "1", "1"])
}

fn queue_after_failure(bay: &mut Bay) -> Verdict {
    let failing = guest(
        |g| register(g) + &enqueue(g, "left"),
        |_| "(unreachable)".to_owned(),
    );
    let (one, a) = bay.streaming(&failing, "vm")?;
    let (two, b) = bay.streaming(&guest(|g| register(g) + &dequeue(), nothing), "vm")?;
    one.on_request_headers(a, 1, true)?;
    failed(one.on_response_headers(a, 1, true))?;
    drop(one);
    bay.reports();
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["0", "0", "left"])
}

fn define(guest: &mut Guest, kind: u32) -> String {
    let [name, len] = guest.put("m");
    status("proxy_define_metric", &[kind, name, len, NUMBER])
}

fn increment(by: i32) -> String {
    format!("(call $n (call $proxy_increment_metric (i32.load (i32.const {NUMBER})) (i64.const {by})))")
}

fn value() -> String {
    format!("(call $n (call $proxy_get_metric (i32.load (i32.const {NUMBER})) (i32.const 24)))") + &load(24)
}

fn metric_of_two_vms(bay: &mut Bay) -> Verdict {
    let make = |by: i32| guest(move |g| define(g, 0) + &increment(by), |_| value());
    let (one, a) = bay.streaming(&make(3), "vm")?;
    let (two, b) = bay.streaming(&make(4), "vm")?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    bay.reports();
    one.on_response_headers(a, 1, true)?;
    two.on_response_headers(b, 1, true)?;
    same(bay.reports(), ["0", "7", "0", "7"])
}

fn metric_of_vm_ids(bay: &mut Bay) -> Verdict {
    let make = |by: i32| guest(move |g| define(g, 1) + &increment(by), |_| value());
    let (one, a) = bay.streaming(&make(5), "one")?;
    let (two, b) = bay.streaming(&make(-2), "two")?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    bay.reports();
    one.on_response_headers(a, 1, true)?;
    same(bay.reports(), ["0", "3"])
}

fn metric_kinds(bay: &mut Bay) -> Verdict {
    let steps = |g: &mut Guest| {
        let counter = define(g, 0) + &increment(2);
        counter + &define(g, 1) + &increment(5) + &value() + &define(g, 0) + &value()
    };
    same(
        bay.request(&guest(steps, nothing))?,
        ["0", "0", "0", "0", "0", "5", "0", "0", "2"],
    )
}

fn metric_stays(bay: &mut Bay) -> Verdict {
    let (one, a) = bay.streaming(&guest(|g| define(g, 0) + &increment(3), nothing), "vm")?;
    one.on_request_headers(a, 1, true)?;
    drop(one);
    let metrics = enginebay::Platform::shared(&*bay.world).metrics().snapshot();
    same(metrics, vec![("m".to_owned(), MetricValue::Counter(3))])
}
