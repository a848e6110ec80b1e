//! The edges of the guest's memory, beyond what the sweep over all functions has.

use enginebay::Limits;

use super::Case;
use super::bay::{Bay, Verdict, same};
use super::guest::{AT, Guest, LEN, call, load, status};

pub(super) const CASES: &[Case] = &[
    ("in/nothing_at_the_end", in_nothing_at_end),
    ("in/nothing_beyond_the_end", in_nothing_beyond),
    ("in/the_last_byte", in_last_byte),
    ("in/all_of_the_memory", in_all),
    ("in/address_and_size_overflow", in_overflow),
    ("in/a_list_whose_pieces_overflow", in_list_overflow),
    ("in/pairs_that_end_with_the_memory", in_pairs_at_end),
    ("in/pairs_that_promise_more_than_there_is", in_pairs_too_many),
    ("in/a_buffer_from_the_last_bytes", in_buffer),
    ("out/results_on_the_last_bytes", out_last_bytes),
    ("out/results_across_the_end", out_across_the_end),
    ("out/results_over_each_other", out_overlapping),
    ("out/results_at_odd_addresses", out_odd),
    ("out/results_at_0", out_zero),
    ("out/a_number_of_64_bits_on_the_last_bytes", out_wide),
    ("growth/addresses_that_became_valid", growth_valid),
    ("growth/the_old_end_is_no_edge", growth_old_end),
    ("growth/what_the_host_wrote_stays", growth_stays),
    ("size/no_pages", no_pages),
    ("size/a_maximum_of_4_gib", four_gib_maximum),
    ("size/4_gib_are_refused_by_the_limit", four_gib_refused),
    ("size/a_limit_of_4_gib", four_gib_limit),
];

/// The first address that is not there: guests have four pages.
const END: u32 = 4 << 16;

fn request(bay: &Bay, steps: &[String]) -> Result<Vec<String>, Box<dyn std::error::Error>> {
    Ok(bay.request(&Guest::new().on_request(steps))?)
}

/// Functions that read a range, with this one in each place where they take one.
fn reading(at: u32, len: u32) -> Vec<String> {
    vec![
        status("proxy_log", &[5, at, len]),
        status("proxy_set_buffer_bytes", &[0, 0, 0, at, len]),
        status("proxy_set_shared_data", &[at, len, at, len, 0]),
        status("proxy_set_property", &[at, len, at, len]),
        status("proxy_register_shared_queue", &[at, len, 64]),
    ]
}

fn in_nothing_at_end(bay: &mut Bay) -> Verdict {
    same(request(bay, &reading(END, 0))?, ["0"; 5])
}

fn in_nothing_beyond(bay: &mut Bay) -> Verdict {
    for at in [END + 1, 1 << 31, u32::MAX] {
        same(request(bay, &reading(at, 0))?, ["6"; 5])?;
    }
    Ok(())
}

fn in_last_byte(bay: &mut Bay) -> Verdict {
    same(request(bay, &reading(END - 1, 1))?, ["0"; 5])?;
    same(request(bay, &reading(END - 1, 2))?, ["6"; 5])
}

fn in_all(bay: &mut Bay) -> Verdict {
    let set = |len| status("proxy_set_shared_data", &[AT, 1, 0, len, 0]);
    same(request(bay, &[set(END), set(END + 1)])?, ["0", "6"])
}

fn in_overflow(bay: &mut Bay) -> Verdict {
    for (at, len) in [
        (u32::MAX, 1),
        (u32::MAX, u32::MAX),
        (8, u32::MAX),
        (1 << 31, 1 << 31),
        (u32::MAX - 3, 8),
    ] {
        same(request(bay, &reading(at, len))?, ["6"; 5])?;
    }
    Ok(())
}

fn in_list_overflow(bay: &mut Bay) -> Verdict {
    for [at, len] in [[u32::MAX, 1], [1, u32::MAX], [END, 1], [END - 1, 2]] {
        let mut guest = Guest::new();
        let list = guest.put([at.to_le_bytes(), len.to_le_bytes()].concat())[0];
        let steps = [status("fd_write", &[1, list, 1, AT])];
        // EFAULT.
        same(bay.request(&guest.on_request(&steps))?, ["21"])?;
    }
    // The list itself.
    let steps = [END - 4, END, u32::MAX - 7].map(|list| status("fd_write", &[1, list, 1, AT]));
    same(request(bay, &steps)?, ["21"; 3])
}

/// Puts a map with one header at the end of the memory: the number of pairs, two sizes, `a\0` and `b\0`.
const PAIRS_AT_END: &str = r#"(data (i32.const 262128) "\01\00\00\00\01\00\00\00\01\00\00\00a\00b\00")"#;

fn in_pairs_at_end(bay: &mut Bay) -> Verdict {
    let steps = [16, 17].map(|len| status("proxy_set_header_map_pairs", &[0, END - 16, len]));
    let guest = Guest::new().and(PAIRS_AT_END).on_request(&steps);
    same(bay.request(&guest)?, ["0", "6"])
}

fn in_pairs_too_many(bay: &mut Bay) -> Verdict {
    for count in [2_u32, 0x1fff_ffff, 0x2000_0000, u32::MAX] {
        let mut guest = Guest::new();
        let [at, len] = guest.put([count.to_le_bytes(), [1, 0, 0, 0]].concat());
        let set = status("proxy_set_header_map_pairs", &[0, at, len]);
        let size = format!("(drop {})", call("proxy_get_header_map_size", &[0, AT])) + &load(AT);
        // The map stays as it was: not a byte beyond what was given is looked at.
        let reports = bay.request(&guest.on_request(&[set, size]))?;
        same((reports[0] != "0", &*reports[1]), (true, "25"))?;
    }
    Ok(())
}

fn in_buffer(bay: &mut Bay) -> Verdict {
    let guest = Guest::new()
        .and(r#"(data (i32.const 262141) "end")"#)
        .on_request(&[
            status("proxy_set_buffer_bytes", &[0, 0, 5, END - 3, 3]),
            status("proxy_get_buffer_bytes", &[0, 0, u32::MAX, AT, LEN]),
            "(call $out)".to_owned(),
        ]);
    same(bay.request(&guest)?, ["0", "0", "end"])
}

fn out_last_bytes(bay: &mut Bay) -> Verdict {
    let steps = [
        status("proxy_get_buffer_bytes", &[0, 0, 5, END - 8, END - 4]),
        load(END - 4),
        status("proxy_get_header_map_size", &[0, END - 4]),
        load(END - 4),
    ];
    same(request(bay, &steps)?, ["0", "5", "0", "25"])
}

fn out_across_the_end(bay: &mut Bay) -> Verdict {
    let steps = [1, 2, 3].map(|before| {
        status("proxy_get_buffer_bytes", &[0, 0, 5, END - before, LEN])
            + &status("proxy_get_buffer_bytes", &[0, 0, 5, AT, END - before])
            + &status("proxy_get_header_map_size", &[0, END - before])
    });
    same(request(bay, &steps)?, ["6"; 9])
}

fn out_overlapping(bay: &mut Bay) -> Verdict {
    // The size is written last.
    let steps = [status("proxy_get_buffer_bytes", &[0, 0, 5, AT, AT]), load(AT)];
    same(request(bay, &steps)?, ["0", "5"])
}

fn out_odd(bay: &mut Bay) -> Verdict {
    let steps = [status("proxy_get_buffer_bytes", &[0, 0, 5, 81, 87]), load(87)];
    same(request(bay, &steps)?, ["0", "5"])
}

fn out_zero(bay: &mut Bay) -> Verdict {
    let steps = [status("proxy_get_buffer_bytes", &[0, 0, 5, 0, 4]), load(4)];
    same(request(bay, &steps)?, ["0", "5"])
}

fn out_wide(bay: &mut Bay) -> Verdict {
    let time = |at| status("proxy_get_current_time_nanoseconds", &[at]);
    same(
        request(bay, &[time(END - 8), time(END - 7), time(END - 4)])?,
        ["0", "6", "6"],
    )
}

const GROW: &str = "(drop (memory.grow (i32.const 1)))";

fn growth_valid(bay: &mut Bay) -> Verdict {
    let size = |at| status("proxy_get_header_map_size", &[0, at]);
    let steps = [
        size(END),
        GROW.to_owned(),
        size(END),
        load(END),
        size(END + 65_533),
        size(END + 65_532),
    ];
    same(request(bay, &steps)?, ["6", "0", "25", "6", "0"])
}

fn growth_old_end(bay: &mut Bay) -> Verdict {
    let steps = [
        GROW.to_owned(),
        status("proxy_get_header_map_size", &[0, END - 2]),
        load(END - 2),
        status("proxy_set_shared_data", &[AT, 1, END - 100, 200, 0]),
    ];
    same(request(bay, &steps)?, ["0", "25", "0"])
}

fn growth_stays(bay: &mut Bay) -> Verdict {
    let grow = "(drop (memory.grow (i32.const 500)))";
    let guest = Guest::new()
        .on_request(&[
            status("proxy_get_buffer_bytes", &[0, 0, 5, AT, LEN]),
            grow.to_owned(),
        ])
        .on("proxy_on_request_body", "(call $out)");
    let (vm, id) = bay.streaming(&guest, "vm")?;
    vm.on_request_headers(id, 1, true)?;
    vm.on_request_body(id, 5, true)?;
    same(bay.reports(), ["0", "hello"])?;
    same(vm.memory_size(), 504 << 16)
}

fn no_pages(bay: &mut Bay) -> Verdict {
    let wat = r#"(module
        (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
        (memory (export "memory") 0)
        (func (export "proxy_abi_version_0_2_1"))
        (func (export "malloc") (param i32) (result i32) (i32.const 0))
        (func (export "proxy_on_configure") (param i32 i32) (result i32)
            (i32.and (i32.eqz (call $log (i32.const 2) (i32.const 0) (i32.const 0)))
                (i32.eq (i32.const 6) (call $log (i32.const 2) (i32.const 0) (i32.const 1))))))"#;
    let vm = enginebay::Vm::<()>::new(&bay.load(wat)?, &Default::default(), bay.world.clone())?;
    vm.start_plugin(super::bay::plugin("p"))?;
    Ok(())
}

fn four_gib_maximum(bay: &mut Bay) -> Verdict {
    // What it may grow to is no more than the limit, whatever it declares.
    let guest = Guest::new().memory("4 65536").on_request(&[
        "(call $n (memory.grow (i32.const 65532)))".to_owned(),
        "(call $n (memory.grow (i32.const 1)))".to_owned(),
    ]);
    same(bay.request(&guest)?, ["4294967295", "4"])
}

fn four_gib_refused(bay: &mut Bay) -> Verdict {
    let message =
        "the module starts with a memory of 4294967296 bytes, and the limit is 134217728: raise the limit";
    let state = enginebay::FailState::UnableToInitializeCode;
    super::bay::fails(bay.load(&Guest::new().memory("65536").wat()), state, message)
}

fn four_gib_limit(bay: &mut Bay) -> Verdict {
    for limit in [u64::from(u32::MAX), 1 << 32] {
        let bay = bay.limited(Limits {
            memory: Some(limit),
            ..Limits::default()
        })?;
        let grow = "(call $n (memory.grow (i32.const 1)))".to_owned();
        let size = |at| status("proxy_get_header_map_size", &[0, at]);
        let guest = Guest::new()
            .memory("4 65536")
            .on_request(&[grow, size(END), size(END + 65_536)]);
        same(bay.request(&guest)?, ["4", "0", "6"])?;
    }
    Ok(())
}
