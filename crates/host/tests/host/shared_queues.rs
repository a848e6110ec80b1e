//! Shared queues.

use std::sync::atomic::Ordering;

use enginebay_host::abi::LogLevel;
use enginebay_host::{Shared, SharedLimits};

use crate::fixture::{Guest, OUT, Stream, on_each, status};

const AT: u32 = OUT[0];
const LEN: u32 = OUT[1];
/// Where the number of a queue comes back.
const QUEUE: u32 = 16;

fn register(guest: &mut Guest, name: &str) -> String {
    let [name, size] = guest.put(name);
    status("proxy_register_shared_queue", &[name, size, QUEUE])
}

fn resolve(guest: &mut Guest, vm_id: &str, name: &str) -> String {
    let ([vm_id, vm_size], [name, size]) = (guest.put(vm_id), guest.put(name));
    status("proxy_resolve_shared_queue", &[vm_id, vm_size, name, size, QUEUE])
}

fn enqueue(guest: &mut Guest, item: &str) -> String {
    let [item, size] = guest.put(item);
    format!(
        "(call $n (call $proxy_enqueue_shared_queue (i32.load (i32.const {QUEUE})) (i32.const {item}) \
         (i32.const {size})))"
    )
}

fn dequeue() -> String {
    format!(
        "(call $n (call $proxy_dequeue_shared_queue (i32.load (i32.const {QUEUE})) (i32.const {AT}) \
         (i32.const {LEN})))"
    )
}

#[test]
fn a_plugin_can_use_its_own() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let steps = [
            resolve(&mut guest, "my_vm", "q"),
            register(&mut guest, "q"),
            dequeue(),
            enqueue(&mut guest, "one"),
            enqueue(&mut guest, "two"),
            // What is in a queue stays when it is registered again.
            register(&mut guest, "q"),
            resolve(&mut guest, "my_vm", "q"),
            dequeue() + "(call $out)",
            dequeue() + "(call $out)",
            dequeue(),
            status("proxy_enqueue_shared_queue", &[77, 0, 0]),
            status("proxy_dequeue_shared_queue", &[77, AT, LEN]),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(
            bay.reports(&guest),
            [
                "1", "0", "7", "0", "0", "0", "0", "0", "one", "0", "two", "7", "1", "1"
            ]
        );
    });
}

#[test]
fn a_consumer_hears_of_each_item_of_another_vm() {
    on_each(|bay| {
        let mut consumer = Guest::new();
        let step = register(&mut consumer, "q");
        let heard = format!(
            "(call $n (local.get $plugin_context_id))
             (call $n (i32.eq (local.get $queue_id) (i32.load (i32.const {QUEUE}))))"
        ) + &dequeue()
            + "(call $out)";
        let consumer = consumer
            .on("proxy_on_configure", step)
            .on("proxy_on_queue_ready", heard);
        let (vm, root) = bay.started(&consumer);
        bay.platform.clear();

        let mut producer = Guest::new();
        let steps = [
            resolve(&mut producer, "my_vm", "nothing"),
            resolve(&mut producer, "my_vm", "q"),
            enqueue(&mut producer, "one"),
            enqueue(&mut producer, "two"),
        ];
        let producer = producer.on_request(&steps);
        bay.vm_config.vm_id = "another".to_owned();
        let kept = bay.run(&producer, Stream::plain());
        assert_eq!(bay.platform.reports(), ["1", "0", "0", "0"]);
        assert_eq!(bay.platform.woken.load(Ordering::Relaxed), 2);

        bay.platform.clear();
        vm.deliver().unwrap();
        let root = root.get().to_string();
        assert_eq!(
            bay.platform.reports(),
            [&root, "1", "0", "one", &root, "1", "0", "two"]
        );
        vm.deliver().unwrap();
        assert_eq!(bay.platform.reports().len(), 8);

        // The queue goes with its VM.
        drop(vm);
        bay.platform.clear();
        kept.vm.on_request_headers(kept.id, 1, true).unwrap();
        assert_eq!(bay.platform.reports(), ["1", "1", "1", "1"]);
    });
}

#[test]
fn a_plugin_that_feeds_itself_does_not_go_on_for_ever() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let begin = register(&mut guest, "q") + &enqueue(&mut guest, "x");
        let again = dequeue() + &enqueue(&mut guest, "x");
        let guest = guest
            .on("proxy_on_configure", begin)
            .on("proxy_on_queue_ready", again);
        let (vm, _) = bay.started(&guest);
        for rounds in 1..4 {
            bay.platform.clear();
            vm.deliver().unwrap();
            assert_eq!(bay.platform.reports(), ["0", "0"], "round {rounds}");
        }
    });
}

#[test]
fn an_item_that_can_not_be_handed_over_stays() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let end = guest.memory();
        let steps = [
            register(&mut guest, "q"),
            enqueue(&mut guest, "one"),
            format!(
                "(call $n (call $proxy_dequeue_shared_queue (i32.load (i32.const {QUEUE})) (i32.const {}) \
                 (i32.const {LEN})))",
                end - 3
            ),
            dequeue() + "(call $out)",
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "0", "6", "0", "one"]);
    });
}

#[test]
fn memory_that_is_not_the_guests_is_refused() {
    on_each(|bay| {
        let mut guest = Guest::new();
        let end = guest.memory();
        let [name, size] = guest.put("my_vm");
        let steps = [
            status("proxy_register_shared_queue", &[end, 1, QUEUE]),
            status("proxy_register_shared_queue", &[name, size, end - 3]),
            status("proxy_resolve_shared_queue", &[end, 1, name, size, QUEUE]),
            status("proxy_resolve_shared_queue", &[name, size, end - 1, 2, QUEUE]),
            status("proxy_resolve_shared_queue", &[name, size, name, size, end - 3]),
            status("proxy_enqueue_shared_queue", &[1, end, 1]),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["6"; 6]);
    });
}

#[test]
fn what_is_full_says_so() {
    on_each(|bay| {
        let mut limits = SharedLimits::default();
        (limits.queues, limits.queue_items) = (1, 1);
        let platform = std::rc::Rc::get_mut(&mut bay.platform).unwrap();
        platform.shared = Shared::new(limits);
        let mut guest = Guest::new();
        let steps = [
            register(&mut guest, "q"),
            enqueue(&mut guest, "1"),
            enqueue(&mut guest, "2"),
            register(&mut guest, "r"),
        ];
        let guest = guest.on_request(&steps);
        assert_eq!(bay.reports(&guest), ["0", "0", "10", "10"]);
        assert_eq!(
            bay.logged(LogLevel::Warn),
            [
                "shared queue 1 is full: an item was not added",
                r#"a queue was not made: vm_id "my_vm" has too many, or its name is too long"#
            ]
        );
    });
}
