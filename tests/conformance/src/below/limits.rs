//! Every bound, reached by a guest: just below it all is well, and beyond there is a status or a trap.

use std::time::Duration;

use enginebay::abi::{LogLevel, MapType, pairs};
use enginebay::engine::TrapKind;
use enginebay::{FailState, Limits};

use super::Case;
use super::bay::{Bay, Verdict, failed, fails, same};
use super::guest::{AT, Guest, LEN, NUMBER, call, load, say, status};

pub(super) const CASES: &[Case] = &[
    ("vm/headers_entries", headers_entries),
    ("vm/headers_bytes", headers_bytes),
    ("vm/headers_of_a_whole_map", headers_map),
    ("vm/buffer", buffer),
    ("vm/local_response_body", local_body),
    ("vm/local_response_details", local_details),
    ("vm/property", property),
    ("vm/declared_properties", declared_properties),
    ("vm/declared_path", declared_path),
    ("vm/callouts", callouts),
    ("vm/callout_bytes", callout_bytes),
    ("vm/finishing", finishing),
    ("vm/log_message", log_message),
    ("vm/log_rate", log_rate),
    ("shared/data_entries", data_entries),
    ("shared/data_bytes", data_bytes),
    ("shared/queues", queues),
    ("shared/queue_items", queue_items),
    ("shared/queue_bytes", queue_bytes),
    ("shared/metrics", metrics),
    ("shared/metrics_per_vm", metrics_per_vm),
    ("shared/name_bytes", name_bytes),
    ("engine/memory_from_the_start", memory_from_the_start),
    ("engine/memory_growth", memory_growth),
    ("engine/table_elements", table_elements),
    ("engine/call_time", call_time),
    ("engine/call_time_while_starting", call_time_starting),
    ("engine/stack", stack),
    ("engine/instances", instances),
];

fn request(bay: &Bay, guest: Guest, steps: &[String]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    Ok(bay.request(&guest.on_request(steps))?)
}

fn add(guest: &mut Guest, name: &str, value: &str) -> String {
    let ([name, name_len], [value, value_len]) = (guest.put(name), guest.put(value));
    status(
        "proxy_add_header_map_value",
        &[0, name, name_len, value, value_len],
    )
}

fn headers_entries(bay: &mut Bay) -> Verdict {
    // The request has four headers.
    bay.set_limits(|limits| limits.headers.entries = 5);
    let mut guest = Guest::new();
    let steps = [add(&mut guest, "x", "1"), add(&mut guest, "y", "2")];
    same(request(bay, guest, &steps)?, ["0", "2"])
}

fn headers_bytes(bay: &mut Bay) -> Verdict {
    // `:path: /`, `accept: a`, `empty:`, `accept: b` are 25 bytes.
    bay.set_limits(|limits| limits.headers.bytes = 30);
    let mut guest = Guest::new();
    let steps = [
        add(&mut guest, "x", "12345"),
        add(&mut guest, "x", "1234"),
        add(&mut guest, "y", ""),
    ];
    same(request(bay, guest, &steps)?, ["2", "0", "2"])
}

fn headers_map(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.headers.entries = 5);
    let mut guest = Guest::new();
    let mut set = |count: usize| -> Result<String, Box<dyn std::error::Error>> {
        let headers = vec![("a", ""); count];
        let [at, len] = guest.put(pairs::encode(headers).map_err(|error| format!("{error:?}"))?);
        Ok(status("proxy_set_header_map_pairs", &[0, at, len]))
    };
    let steps = [set(6)?, set(5)?];
    let (vm, id) = bay.streaming(&guest.on_request(&steps), "vm")?;
    vm.on_request_headers(id, 4, true)?;
    same(bay.reports(), ["2", "0"])?;
    let maps = vm.stream(id).map(|stream| stream.outcome().maps);
    let headers = maps.and_then(|maps| maps.get(&MapType::HttpRequestHeaders).map(Vec::len));
    same(headers, Some(5))
}

fn buffer(bay: &mut Bay) -> Verdict {
    // The request's body has five bytes.
    bay.set_limits(|limits| limits.buffer = 7);
    let append = |size| status("proxy_set_buffer_bytes", &[0, u32::MAX, 0, 2048, size]);
    let steps = [
        append(3),
        append(2),
        append(1),
        append(0),
        status("proxy_set_buffer_bytes", &[0, 0, 7, 2048, 8]),
        status("proxy_set_buffer_bytes", &[0, 0, 7, 2048, 7]),
    ];
    same(
        request(bay, Guest::new(), &steps)?,
        ["2", "0", "2", "0", "2", "0"],
    )
}

fn send(details: u32, body: u32) -> String {
    status(
        "proxy_send_local_response",
        &[200, 2048, details, 2048, body, 0, 0, u32::MAX],
    )
}

fn local_body(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.local_response_body = 3);
    same(request(bay, Guest::new(), &[send(0, 4), send(0, 3)])?, ["2", "0"])
}

fn local_details(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.local_response_details = 3);
    same(request(bay, Guest::new(), &[send(4, 0), send(3, 0)])?, ["0", "0"])?;
    // The rest is cut off: a response is not lost for it.
    let seen = bay.world.seen();
    let lengths: Vec<usize> = seen
        .borrow()
        .local
        .iter()
        .map(|local| local.details.len())
        .collect();
    same(lengths, [3, 3])
}

fn property(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.property = 6);
    let mut guest = Guest::new();
    let [path, len] = guest.put("path");
    let set = |value| status("proxy_set_property", &[path, len, 2048, value]);
    same(request(bay, guest, &[set(3), set(2)])?, ["2", "0"])
}

/// Declares properties with Envoy's foreign function. Only the plugin itself can, not its streams.
fn declared(bay: &Bay, properties: &[&str]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut guest = Guest::new();
    let [name, len] = guest.put("declare_property");
    let declare = |property: &&str| {
        // The message's first field is the name.
        let message = [&[10, property.len() as u8], property.as_bytes()].concat();
        let [message, message_len] = guest.put(message);
        let args = [name, len, message, message_len, AT, LEN];
        status("proxy_call_foreign_function", &args)
    };
    let steps: String = properties.iter().map(declare).collect();
    bay.started(&guest.on("proxy_on_configure", steps))?;
    Ok(bay.reports())
}

fn declared_properties(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.declared_properties = 2);
    same(declared(bay, &["a", "b", "c"])?, ["0", "0", "10"])
}

fn declared_path(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.declared_path = 3);
    same(declared(bay, &["four", "now"])?, ["10", "0"])
}

/// Sends an HTTP call with so many bytes of body.
fn http_call(guest: &mut Guest, body: u32) -> String {
    let [name, len] = guest.put("cluster");
    let headers = [(":method", "GET"), (":path", "/"), (":authority", "a")];
    let [headers, headers_len] = guest.put(pairs::encode(headers).unwrap_or_default());
    status(
        "proxy_http_call",
        &[name, len, headers, headers_len, 2048, body, 0, 0, 1000, AT],
    )
}

fn callouts(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.callouts = 2);
    let mut guest = Guest::new();
    let steps = [(); 3].map(|()| http_call(&mut guest, 0));
    let (vm, id) = bay.streaming(&guest.on_request(&steps), "vm")?;
    vm.on_request_headers(id, 1, true)?;
    same(bay.reports(), ["0", "0", "10"])?;
    // One that is answered makes room.
    bay.world.answer(&vm, false)?;
    vm.on_request_headers(id, 1, true)?;
    same(bay.reports(), ["0", "0", "10"])
}

fn callout_bytes(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.callout_bytes = 2000);
    let mut guest = Guest::new();
    let steps = [2001, 1900, 101, 10].map(|body| http_call(&mut guest, body));
    same(request(bay, guest, &steps)?, ["10", "0", "10", "0"])
}

fn finishing(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.finishing = 2);
    let guest = Guest::new()
        .returning("proxy_on_done", "", "(i32.const 0)")
        .on("proxy_on_delete", "(call $n (local.get $context_id))");
    let (vm, root) = bay.started(&guest)?;
    for _ in 0..3 {
        let stream = vm.create_stream(root, bay.stream())?;
        vm.finish(stream)?;
    }
    same((bay.reports(), vm.context_count()), (vec!["4".to_owned()], 3))
}

fn log_message(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.log_message = 4);
    let mut guest = Guest::new();
    let [at, _] = guest.put("abcdef");
    let steps = [4, 6].map(|len| format!("(drop {})", call("proxy_log", &[2, at, len])));
    let (vm, id) = bay.streaming(&guest.on_request(&steps), "vm")?;
    vm.on_request_headers(id, 1, true)?;
    same(bay.take(LogLevel::Info), ["abcd", "abcd (2 bytes left out)"])
}

fn log_rate(bay: &mut Bay) -> Verdict {
    bay.set_limits(|limits| limits.log_rate = 3);
    let guest = Guest::new().on_request(&[say(1), say(2), say(3), say(4)]);
    let (vm, id) = bay.streaming(&guest, "vm")?;
    vm.on_request_headers(id, 1, true)?;
    same(bay.reports(), ["1", "2", "3"])?;
    drop(vm);
    let warning = "1 log messages were left out: more than 3 came in one second";
    same(bay.take(LogLevel::Warn), [warning])
}

fn set(guest: &mut Guest, key: &str, value: &str) -> String {
    let ([key, key_len], [value, value_len]) = (guest.put(key), guest.put(value));
    status("proxy_set_shared_data", &[key, key_len, value, value_len, 0])
}

fn data_entries(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.data_entries = 2);
    let mut guest = Guest::new();
    let steps = ["a", "b", "c", "a"].map(|key| set(&mut guest, key, "1"));
    same(request(bay, guest, &steps)?, ["0", "0", "10", "0"])
}

fn data_bytes(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.data_bytes = 8);
    let mut guest = Guest::new();
    let values = [
        ("a", "12345678"),
        ("a", "1234567"),
        ("b", ""),
        ("a", "123456"),
        ("b", ""),
    ];
    let steps = values.map(|(key, value)| set(&mut guest, key, value));
    same(request(bay, guest, &steps)?, ["10", "0", "10", "0", "0"])
}

fn register(guest: &mut Guest, name: &str) -> String {
    let [name, len] = guest.put(name);
    status("proxy_register_shared_queue", &[name, len, NUMBER])
}

fn queues(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.queues = 2);
    let mut guest = Guest::new();
    let steps = ["a", "b", "c", "a"].map(|name| register(&mut guest, name));
    same(request(bay, guest, &steps)?, ["0", "0", "10", "0"])
}

/// Items of these sizes, one after the other, and then one out and the last once more.
fn items(bay: &Bay, sizes: [u32; 3]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut guest = Guest::new();
    let first = register(&mut guest, "q");
    let enqueue = |size| status("proxy_enqueue_shared_queue", &[1, 2048, size]);
    let mut steps = vec![first];
    steps.extend(sizes.map(enqueue));
    steps.push(status("proxy_dequeue_shared_queue", &[1, AT, LEN]));
    steps.push(enqueue(sizes[2]));
    request(bay, guest, &steps)
}

fn queue_items(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.queue_items = 2);
    same(items(bay, [1, 0, 1])?, ["0", "0", "0", "10", "0", "0"])
}

fn queue_bytes(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.queue_bytes = 8);
    same(items(bay, [3, 5, 1])?, ["0", "0", "0", "10", "0", "0"])
}

fn define(guest: &mut Guest, kind: u32, name: &str) -> String {
    let [name, len] = guest.put(name);
    status("proxy_define_metric", &[kind, name, len, NUMBER])
}

fn metrics(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.metrics = 2);
    let mut guest = Guest::new();
    let metrics = [(0, "a"), (1, "a"), (2, "a"), (0, "a")];
    let steps = metrics.map(|(kind, name)| define(&mut guest, kind, name));
    same(request(bay, guest, &steps)?, ["0", "0", "10", "0"])
}

fn metrics_per_vm(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.metrics_per_vm = 2);
    let make = || {
        let mut guest = Guest::new();
        let steps = [(); 3].map(|()| define(&mut guest, 0, "a"));
        guest.on_request(&steps)
    };
    let (one, a) = bay.streaming(&make(), "vm")?;
    let (two, b) = bay.streaming(&make(), "vm")?;
    one.on_request_headers(a, 1, true)?;
    two.on_request_headers(b, 1, true)?;
    same(bay.reports(), ["0", "0", "10", "0", "0", "10"])
}

fn name_bytes(bay: &mut Bay) -> Verdict {
    bay.set_shared_limits(|limits| limits.name_bytes = 3);
    let mut guest = Guest::new();
    let steps = [
        register(&mut guest, "four"),
        register(&mut guest, "now"),
        define(&mut guest, 0, "four"),
        define(&mut guest, 0, "now"),
    ];
    same(request(bay, guest, &steps)?, ["10", "0", "10", "0"])
}

fn pages(count: u64) -> Limits {
    Limits {
        memory: Some(count << 16),
        ..Limits::default()
    }
}

fn memory_from_the_start(bay: &mut Bay) -> Verdict {
    let bay = bay.limited(pages(4))?;
    bay.load(&Guest::new().wat())?;
    let message = "the module starts with a memory of 327680 bytes, and the limit is 262144: raise the limit";
    let five = bay.load(&Guest::new().memory("5").wat());
    fails(five, FailState::UnableToInitializeCode, message)
}

fn memory_growth(bay: &mut Bay) -> Verdict {
    let bay = bay.limited(pages(6))?;
    let steps = [1, 2, 1, 1].map(|by| format!("(call $n (memory.grow (i32.const {by})))"));
    same(
        request(&bay, Guest::new(), &steps)?,
        ["4", "4294967295", "5", "4294967295"],
    )
}

fn table_elements(bay: &mut Bay) -> Verdict {
    let bay = bay.limited(Limits {
        table_elements: Some(5),
        ..Limits::default()
    })?;
    let table = |size: u32| Guest::new().and(&format!("(table $t {size} funcref)"));
    let message = "the module starts with a table of 6 elements, and the limit is 5: raise the limit";
    fails(
        bay.load(&table(6).wat()),
        FailState::UnableToInitializeCode,
        message,
    )?;
    let steps = [1, 1].map(|by| format!("(call $n (table.grow $t (ref.null func) (i32.const {by})))"));
    same(request(&bay, table(4), &steps)?, ["4", "4294967295"])
}

const FOREVER: &str = "(loop $l (br $l))";

fn brief() -> Limits {
    Limits {
        call_time: Some(Duration::from_millis(60)),
        ..Limits::default()
    }
}

fn call_time(bay: &mut Bay) -> Verdict {
    let bay = bay.limited(brief())?;
    let guest = Guest::new()
        .on("proxy_on_request_headers", say(1))
        .on("proxy_on_response_headers", FOREVER);
    let (vm, id) = bay.streaming(&guest, "vm")?;
    vm.on_request_headers(id, 1, true)?;
    let failure = failed(vm.on_response_headers(id, 1, true))?;
    same(
        failure.trap().map(|trap| trap.kind()),
        Some(TrapKind::Interrupted),
    )?;
    let message =
        "Function: proxy_on_response_headers failed: time limit reached: the call took longer than 60ms";
    fails::<()>(Err(failure), FailState::RuntimeError, message)
}

fn call_time_starting(bay: &mut Bay) -> Verdict {
    let bay = bay.limited(brief())?;
    for export in ["_initialize", "_start"] {
        let failure = failed(bay.vm(&Guest::new().on(export, FOREVER)))?;
        same(failure.state(), FailState::UnableToInitializeCode)?;
        same(
            failure.trap().map(|trap| trap.kind()),
            Some(TrapKind::Interrupted),
        )?;
    }
    let failure = failed(bay.vm(&Guest::new().and(&format!("(func $first {FOREVER}) (start $first)"))))?;
    same(failure.state(), FailState::UnableToCloneVm)?;
    same(
        failure.trap().map(|trap| trap.kind()),
        Some(TrapKind::Interrupted),
    )
}

fn stack(bay: &mut Bay) -> Verdict {
    let deep = "(func $deep (param i32) (result i32) (if (result i32) (i32.eqz (local.get 0))
        (then (i32.const 0)) (else (i32.add (i32.const 1) (call $deep (i32.sub (local.get 0) (i32.const 1)))))))";
    let of = |depth: u32| {
        Guest::new()
            .and(deep)
            .on_request(&[format!("(call $n (call $deep (i32.const {depth})))")])
    };
    same(bay.request(&of(2000))?, ["2000"])?;
    let failure = failed(bay.request(&of(u32::MAX)))?;
    same(
        failure.trap().map(|trap| trap.kind()),
        Some(TrapKind::StackOverflow),
    )
}

fn instances(bay: &mut Bay) -> Verdict {
    // As many VMs as the engine was set up for can live at once; what goes makes room.
    let program = bay.load(&Guest::new().on_request(&[load(AT)]).wat())?;
    for _ in 0..3 {
        let vms: Result<Vec<_>, _> = (0..8)
            .map(|_| enginebay::Vm::<()>::new(&program, &Default::default(), bay.world.clone()))
            .collect();
        same(vms?.len(), 8)?;
    }
    Ok(())
}
