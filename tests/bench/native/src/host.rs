//! The host functions that the plugins need, as C symbols.
#![allow(unsafe_code, reason = "C functions with pointers")]

use std::cell::RefCell;
use std::slice::{from_raw_parts, from_raw_parts_mut};

use crate::arena::Arena;
use crate::messages::BODY;

#[derive(Default)]
pub(crate) struct State {
    pub(crate) request: Arena,
    pub(crate) response: Arena,
    /// What the plugin made of the body.
    pub(crate) replaced: Vec<u8>,
}

thread_local! {
    pub(crate) static STATE: RefCell<State> = RefCell::default();
}

impl State {
    fn map(&mut self, map: u32) -> &mut Arena {
        match map {
            2 => &mut self.response,
            _ => &mut self.request,
        }
    }
}

const OK: u32 = 0;
const NOT_FOUND: u32 = 1;
const INTERNAL_FAILURE: u32 = 10;

unsafe extern "C" {
    safe fn proxy_on_memory_allocate(size: usize) -> *mut u8;
}

/// Has the plugin allocate, and lets `write` fill it.
///
/// # Safety
/// Both pointers are a plugin's, to be written.
unsafe fn give(len: usize, data: *mut *mut u8, size: *mut usize, write: impl FnOnce(&mut [u8])) {
    let address = proxy_on_memory_allocate(len);
    // SAFETY: the SDK allocates as much as it is asked for, or ends the process. The rest is the caller's promise.
    unsafe {
        write(from_raw_parts_mut(address, len));
        data.write(address);
        size.write(len);
    }
}

/// # Safety
/// As the SDK calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_pairs(map: u32, data: *mut *mut u8, size: *mut usize) -> u32 {
    STATE.with_borrow_mut(|state| {
        let map = state.map(map);
        // SAFETY: as the SDK calls it.
        unsafe { give(map.encoded_len(), data, size, |out| map.encode_into(out)) };
    });
    OK
}

/// # Safety
/// As the SDK calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_header_map_value(
    map: u32,
    key: *const u8,
    key_size: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    STATE.with_borrow_mut(|state| {
        let map = state.map(map);
        // SAFETY: as the SDK calls it.
        let Some(value) = map.get(unsafe { from_raw_parts(key, key_size) }) else {
            return NOT_FOUND;
        };
        let value = &map.bytes[value];
        // SAFETY: as the SDK calls it.
        unsafe { give(value.len(), data, size, |out| out.copy_from_slice(value)) };
        OK
    })
}

/// # Safety
/// As the SDK calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_add_header_map_value(
    map: u32,
    key: *const u8,
    key_size: usize,
    value: *const u8,
    size: usize,
) -> u32 {
    // SAFETY: as the SDK calls it.
    let (key, value) = unsafe { (from_raw_parts(key, key_size), from_raw_parts(value, size)) };
    STATE.with_borrow_mut(|state| state.map(map).add(key, value));
    OK
}

/// # Safety
/// As the SDK calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_remove_header_map_value(map: u32, key: *const u8, key_size: usize) -> u32 {
    // SAFETY: as the SDK calls it.
    let key = unsafe { from_raw_parts(key, key_size) };
    STATE.with_borrow_mut(|state| state.map(map).remove(key));
    OK
}

/// # Safety
/// As the SDK calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_get_buffer_bytes(
    _buffer: u32,
    start: usize,
    len: usize,
    data: *mut *mut u8,
    size: *mut usize,
) -> u32 {
    let part = &BODY[start..][..len];
    // SAFETY: as the SDK calls it.
    unsafe { give(len, data, size, |out| out.copy_from_slice(part)) };
    OK
}

/// # Safety
/// As the SDK calls it.
#[unsafe(no_mangle)]
unsafe extern "C" fn proxy_set_buffer_bytes(
    _buffer: u32,
    _start: usize,
    _len: usize,
    data: *const u8,
    size: usize,
) -> u32 {
    // SAFETY: as the SDK calls it.
    let body = unsafe { from_raw_parts(data, size) };
    STATE.with_borrow_mut(|state| {
        state.replaced.clear();
        state.replaced.extend_from_slice(body);
    });
    OK
}

/// What the SDK names and these plugins don't call. Arguments that a C function doesn't look at need not be declared.
macro_rules! refused {
    ($($name:ident)+) => {
        $(
            #[unsafe(no_mangle)]
            extern "C" fn $name() -> u32 {
                INTERNAL_FAILURE
            }
        )+
    };
}

refused! {
    proxy_log proxy_get_log_level proxy_get_current_time_nanoseconds proxy_set_tick_period_milliseconds
    proxy_set_header_map_pairs proxy_replace_header_map_value proxy_get_property proxy_set_property
    proxy_get_shared_data proxy_set_shared_data proxy_register_shared_queue proxy_resolve_shared_queue
    proxy_dequeue_shared_queue proxy_enqueue_shared_queue proxy_continue_stream proxy_close_stream
    proxy_send_local_response proxy_http_call proxy_grpc_call proxy_grpc_stream proxy_grpc_send proxy_grpc_cancel
    proxy_grpc_close proxy_get_status proxy_set_effective_context proxy_call_foreign_function proxy_done
    proxy_define_metric proxy_get_metric proxy_record_metric proxy_increment_metric
}
