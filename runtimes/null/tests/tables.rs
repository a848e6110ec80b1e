//! Plugins with entry points of their own.

mod common;

use common::{Ex, Vm, load};
use enginebay_engine::TrapKind;
use enginebay_runtime_null::{EntryPoints, NullPlugin};

unsafe extern "C" fn allocate(size: usize) -> *mut u8 {
    Box::leak(vec![0u8; size].into_boxed_slice()).as_mut_ptr()
}

unsafe extern "C" {
    fn proxy_log(level: u32, data: *const u8, size: usize) -> u32;
    fn proxy_done() -> u32;
    fn proxy_close_stream(stream: u32) -> u32;
    fn proxy_get_metric(metric: u32, value: *mut u64) -> u32;
}

unsafe extern "C" fn tick(_: u32) {
    let text = b"recurse";
    // SAFETY: a host function, with bytes that are there.
    unsafe { proxy_log(0, text.as_ptr(), text.len()) };
}

unsafe extern "C" fn headers(_: u32, count: usize, end: bool) -> u32 {
    let mut value = 0;
    // SAFETY: host functions.
    let statuses = unsafe {
        [
            proxy_done(),
            proxy_close_stream(0),
            proxy_get_metric(1, &mut value),
        ]
    };
    if count == usize::MAX && end {
        statuses.iter().sum()
    } else {
        0
    }
}

/// As a C compiler may leave it: garbage above the byte that is the answer.
unsafe extern "C" fn done(_: u32) -> u64 {
    0xffff_ff00
}

// SAFETY: the functions have these types, but for `done`, whose lowest byte is a `bool`.
const PLUGIN: NullPlugin = unsafe {
    NullPlugin::table(
        "table",
        EntryPoints {
            proxy_on_memory_allocate: Some(allocate),
            proxy_on_tick: Some(tick),
            proxy_on_request_headers: Some(headers),
            proxy_on_done: Some(std::mem::transmute::<
                unsafe extern "C" fn(u32) -> u64,
                unsafe extern "C" fn(u32) -> bool,
            >(done)),
            ..EntryPoints::EMPTY
        },
    )
};

enginebay_runtime_null::submit!(PLUGIN);

#[test]
fn a_table_is_called_with_native_types() {
    let mut vm = Vm::new("table");
    // 0 and 12 from the host, and 12 for a function that the host doesn't have.
    let all = vm.call(Ex::RequestHeaders, &[1, u64::MAX, 1]).unwrap();
    assert_eq!(all, 24);
    assert_eq!(vm.call(Ex::Done, &[1]).unwrap(), 0);
    assert!(load("table").unwrap().shares_thread_state());
}

#[test]
fn calls_do_not_nest_without_end() {
    let mut vm = Vm::new("table");
    let trap = vm.call(Ex::Tick, &[1]).unwrap_err();
    assert_eq!(trap.kind(), TrapKind::StackOverflow);
    assert!(trap.message().starts_with("more than 32 calls"), "{trap}");
    let again = vm.call(Ex::Tick, &[1]).unwrap_err();
    assert_eq!(again.kind(), TrapKind::StackOverflow);
}
