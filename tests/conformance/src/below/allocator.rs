//! The guest's allocator, which runs in the middle of host functions and may do anything.

use enginebay::FailState;
use enginebay::engine::TrapKind;

use super::Case;
use super::bay::{Bay, Verdict, failed, same};
use super::guest::{AT, BUMP, Guest, LEN, NUMBER, call, load, say, status};

pub(super) const CASES: &[Case] = &[
    ("null", null),
    ("an_address_outside", outside),
    ("an_address_across_the_end", across_the_end),
    ("the_last_bytes", last_bytes),
    ("an_odd_address", odd),
    ("over_the_arguments", over_arguments),
    ("over_the_results", over_results),
    ("the_same_address_each_time", same_address),
    ("traps", traps),
    ("exits", exits),
    ("is_not_called_for_nothing", nothing),
    ("is_not_called_for_a_bad_result_address", bad_results),
    ("is_told_the_size", size),
    ("logs", logs),
    ("changes_the_context", changes_context),
    ("gets_something_itself", gets_itself),
    ("changes_what_is_copied", changes_copied),
    ("shortens_what_is_copied", shortens),
    ("takes_what_is_copied_out_of_the_queue", takes_item),
    ("replaces_the_shared_data_that_is_copied", replaces_data),
    ("grows_the_memory", grows),
    ("grows_the_memory_a_lot", grows_a_lot),
    ("can_grow_no_more", full),
    ("sends_a_local_response", responds),
    ("recurses_without_end", recurses),
];

/// Functions that allocate, with arguments that make it, each followed by what it gave.
fn allocating(guest: &mut Guest) -> String {
    let [accept, accept_len] = guest.put("accept");
    let [name, name_len] = guest.put("plugin_name");
    [
        status("proxy_get_header_map_value", &[0, accept, accept_len, AT, LEN]),
        status("proxy_get_header_map_pairs", &[0, AT, LEN]),
        status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]),
        status("proxy_get_buffer_bytes", &[7, 0, 5, AT, LEN]),
        status("proxy_get_property", &[name, name_len, AT, LEN]),
    ]
    .concat()
}

/// What a guest reports that allocates in each way.
fn reports(bay: &Bay, allocator: &str) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let mut guest = Guest::new().allocator(allocator);
    let steps = allocating(&mut guest) + &load(AT) + &load(LEN);
    Ok(bay.request(&guest.on_request(&[steps]))?)
}

/// `INVALID_MEMORY_ACCESS` each time, and nothing that looks like a result.
const NOWHERE: [&str; 7] = ["6", "6", "6", "6", "6", "0", "0"];

fn null(bay: &mut Bay) -> Verdict {
    same(reports(bay, "(i32.const 0)")?, NOWHERE)
}

fn outside(bay: &mut Bay) -> Verdict {
    for address in ["262144", "262145", "0x80000000", "-1"] {
        same(reports(bay, &format!("(i32.const {address})"))?, NOWHERE)?;
    }
    Ok(())
}

fn across_the_end(bay: &mut Bay) -> Verdict {
    let last = "(i32.add (i32.sub (i32.const 262144) (local.get $size)) (i32.const 1))";
    same(reports(bay, last)?, NOWHERE)
}

/// What a guest reports that reads the first bytes of the request's body.
fn body(bay: &Bay, allocator: impl Into<String>) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    let read = status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]);
    let guest = Guest::new()
        .allocator(allocator)
        .on_request(&[read, "(call $out)".to_owned()]);
    Ok(bay.request(&guest)?)
}

fn last_bytes(bay: &mut Bay) -> Verdict {
    same(
        body(bay, "(i32.sub (i32.const 262144) (local.get $size))")?,
        ["0", "hello"],
    )
}

fn odd(bay: &mut Bay) -> Verdict {
    same(body(bay, "(i32.const 4097)")?, ["0", "hello"])
}

fn over_arguments(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new();
    let [key, len] = guest.put("accept");
    let guest = guest.allocator(format!("(i32.const {key})"));
    let get = status("proxy_get_header_map_value", &[0, key, len, AT, LEN]);
    same(
        bay.request(&guest.on_request(&[get, "(call $out)".to_owned()]))?,
        ["0", "a"],
    )
}

fn over_results(bay: &mut Bay) -> Verdict {
    // The address and the size are written last, over the first bytes.
    let read = status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]);
    let guest = Guest::new().allocator(format!("(i32.const {AT})"));
    same(
        bay.request(&guest.on_request(&[read, load(AT), load(LEN)]))?,
        ["0", "8", "5"],
    )
}

fn same_address(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new().allocator("(i32.const 4096)");
    let [key, len] = guest.put("accept");
    let steps = [
        status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]),
        status("proxy_get_header_map_value", &[0, key, len, NUMBER, NUMBER + 4]),
        "(call $out)".to_owned(),
    ];
    same(bay.request(&guest.on_request(&steps))?, ["0", "0", "aello"])
}

fn traps(bay: &mut Bay) -> Verdict {
    let failure = failed(body(bay, "(unreachable)").map_err(as_failure))?;
    same(failure.state(), FailState::RuntimeError)?;
    same(failure.function(), Some("proxy_on_request_headers"))?;
    same(
        failure.trap().map(|trap| trap.kind()),
        Some(TrapKind::Unreachable),
    )
}

fn exits(bay: &mut Bay) -> Verdict {
    let failure = failed(body(bay, "(call $proc_exit (i32.const 4)) (unreachable)").map_err(as_failure))?;
    same(failure.trap().map(|trap| trap.kind()), Some(TrapKind::Exit(4)))
}

fn as_failure(error: Box<dyn std::error::Error>) -> enginebay::Failure {
    match error.downcast::<enginebay::Failure>() {
        Ok(failure) => *failure,
        Err(error) => enginebay::Failure::new(FailState::MissingFunction, error.to_string()),
    }
}

fn nothing(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new().allocator("(unreachable)");
    let [key, len] = guest.put("empty");
    let steps = [
        status("proxy_get_header_map_value", &[0, key, len, AT, LEN]),
        status("proxy_get_header_map_pairs", &[1, AT, LEN]),
        status("proxy_get_buffer_bytes", &[0, 5, 1, AT, LEN]),
        status("proxy_get_buffer_bytes", &[0, 0, 0, AT, LEN]),
    ];
    same(bay.request(&guest.on_request(&steps))?, ["0"; 4])
}

fn bad_results(bay: &mut Bay) -> Verdict {
    let guest = Guest::new().allocator("(unreachable)");
    let steps = [
        status("proxy_get_header_map_pairs", &[0, u32::MAX, LEN]),
        status("proxy_get_header_map_pairs", &[0, AT, u32::MAX]),
        status("proxy_get_buffer_bytes", &[0, 0, 5, 262_141, LEN]),
    ];
    same(bay.request(&guest.on_request(&steps))?, ["6"; 3])
}

fn size(bay: &mut Bay) -> Verdict {
    same(
        body(bay, format!("(call $n (local.get $size)) {BUMP}"))?,
        ["5", "0", "hello"],
    )
}

fn logs(bay: &mut Bay) -> Verdict {
    same(body(bay, say(77) + BUMP)?, ["77", "0", "hello"])
}

fn changes_context(bay: &mut Bay) -> Verdict {
    let to_root = format!("(drop {}) {BUMP}", call("proxy_set_effective_context", &[1]));
    // Once only: nothing of one context is given to another. INTERNAL_FAILURE.
    same(body(bay, to_root)?, ["10", ""])
}

fn gets_itself(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new();
    let [key, len] = guest.put("accept");
    let inner = status("proxy_get_header_map_value", &[0, key, len, NUMBER, NUMBER + 4]);
    let once = format!(
        "(if (i32.eqz (global.get $inside)) (then (global.set $inside (i32.const 1)) {inner}
            (call $log (i32.load (i32.const {NUMBER})) (i32.load (i32.const {})))))",
        NUMBER + 4
    );
    let guest = guest
        .allocator(once + BUMP)
        .and("(global $inside (mut i32) (i32.const 0))");
    let read = status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]);
    let reports = bay.request(&guest.on_request(&[read, "(call $out)".to_owned()]))?;
    same(reports, ["0", "a", "0", "hello"])
}

fn changes_copied(bay: &mut Bay) -> Verdict {
    for (value, shown) in [("longer", ["10", ""]), ("", ["10", ""])] {
        let mut guest = Guest::new();
        let ([key, len], [value, value_len]) = (guest.put("accept"), guest.put(value));
        let change = call("proxy_replace_header_map_value", &[0, key, len, value, value_len]);
        let guest = guest.allocator(format!("(drop {change}) {BUMP}"));
        let get = status("proxy_get_header_map_value", &[0, key, len, AT, LEN]);
        same(
            bay.request(&guest.on_request(&[get, "(call $out)".to_owned()]))?,
            shown,
        )?;
    }
    Ok(())
}

fn shortens(bay: &mut Bay) -> Verdict {
    let cut = format!(
        "(drop {}) {BUMP}",
        call("proxy_set_buffer_bytes", &[0, 1, 9, 0, 0])
    );
    same(body(bay, cut)?, ["10", ""])
}

fn takes_item(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new();
    let ([name, len], [item, item_len]) = (guest.put("q"), guest.put("item"));
    let dequeue = |at: u32| call("proxy_dequeue_shared_queue", &[1, at, at + 4]);
    let inner = format!(
        "(if (i32.eqz (global.get $inside)) (then (global.set $inside (i32.const 1)) (call $n {})))",
        dequeue(NUMBER)
    );
    let guest = guest
        .allocator(inner + BUMP)
        .and("(global $inside (mut i32) (i32.const 0))");
    let steps = [
        status("proxy_register_shared_queue", &[name, len, NUMBER]),
        status("proxy_enqueue_shared_queue", &[1, item, item_len]),
        format!("(call $n {})", dequeue(AT)),
        "(call $out)".to_owned(),
    ];
    // The one item is out already: nobody gets it twice.
    same(
        bay.request(&guest.on_request(&steps))?,
        ["0", "0", "7", "0", "item"],
    )
}

fn replaces_data(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new();
    let ([key, len], [new, new_len]) = (guest.put("k"), guest.put("new"));
    let [old, old_len] = guest.put("before");
    let set = |value, value_len| call("proxy_set_shared_data", &[key, len, value, value_len, 0]);
    let guest = guest.allocator(format!("(drop {}) {BUMP}", set(new, new_len)));
    let get = status("proxy_get_shared_data", &[key, len, AT, LEN, NUMBER]) + "(call $out)";
    let steps = [format!("(drop {})", set(old, old_len)), get.clone(), get];
    // What was there when it was asked for.
    same(
        bay.request(&guest.on_request(&steps))?,
        ["0", "before", "0", "new"],
    )
}

const IN_NEW_PAGE: &str = "(i32.mul (memory.grow (i32.const 1)) (i32.const 65536))";

fn grows(bay: &mut Bay) -> Verdict {
    let mut guest = Guest::new().allocator(IN_NEW_PAGE);
    let steps = allocating(&mut guest) + "(call $out) (call $n (memory.size))";
    let reports = bay.request(&guest.on_request(&[steps]))?;
    same(reports, ["0", "0", "0", "0", "0", "my_plugin", "9"])
}

fn grows_a_lot(bay: &mut Bay) -> Verdict {
    // Hundreds of pages: the engine has to move the memory if it ever does.
    let allocator = "(i32.mul (memory.grow (i32.const 800)) (i32.const 65536))";
    same(body(bay, allocator)?, ["0", "hello"])
}

fn full(bay: &mut Bay) -> Verdict {
    // Where there is no more, `memory.grow` says -1, and so does the allocator.
    let allocator = "(if (result i32) (i32.eq (memory.grow (i32.const 1)) (i32.const -1))
        (then (i32.const 0)) (else (i32.const 4096)))";
    let read = status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]);
    let guest = Guest::new().memory("4 5").allocator(allocator);
    let reports = bay.request(&guest.on_request(&[read.clone(), read]))?;
    same(reports, ["0", "6"])
}

fn responds(bay: &mut Bay) -> Verdict {
    let send = call("proxy_send_local_response", &[403, 0, 0, 0, 0, 0, 0, u32::MAX]);
    same(
        body(bay, format!("(call $n {send}) {BUMP}"))?,
        ["0", "0", "hello"],
    )?;
    same(bay.world.seen().borrow().local.len(), 1)
}

fn recurses(bay: &mut Bay) -> Verdict {
    let inner = format!(
        "(drop {}) {BUMP}",
        call("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN])
    );
    let failure = failed(body(bay, inner).map_err(as_failure))?;
    same(
        failure.trap().map(|trap| trap.kind()),
        Some(TrapKind::StackOverflow),
    )
}
