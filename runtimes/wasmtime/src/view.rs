//! The guest's memory for host functions, without asking the store each time where it is.
//!
//! Most host functions read or write the guest's memory, and to look it up costs more than the rest of the crossing. It stays
//! where it is until it grows, and before it grows the store asks its limiter, which counts.
#![allow(unsafe_code)]

use std::ptr::NonNull;

use crate::instance::Running;

/// Where a memory is, and how many bytes, after it grew so many times.
pub(crate) struct View {
    base: NonNull<u8>,
    len: usize,
    growths: u64,
}

/// The memory of the guest that called the host.
#[inline]
pub(crate) fn memory<'a>(running: &'a mut Running<'_>) -> &'a mut [u8] {
    let data = running.0.data();
    let view = match &data.view {
        Some(view) if view.growths == data.limiter.growths() => view,
        _ => return look(running),
    };
    // SAFETY: `look` took this from the memory of the store that is borrowed mutably here: for as long as the result is used,
    // neither the guest nor another host function runs. It is there as long as the store. Only growing changes where it is
    // and how large, and a store lets no memory grow before it has asked its limiter, which has not been asked since.
    unsafe { std::slice::from_raw_parts_mut(view.base.as_ptr(), view.len) }
}

#[cold]
fn look<'a>(running: &'a mut Running<'_>) -> &'a mut [u8] {
    let Some(memory) = running.found().memory else {
        return &mut [];
    };
    let caller = &mut running.0;
    let view = NonNull::new(memory.data_ptr(&*caller)).map(|base| View {
        base,
        len: memory.data_size(&*caller),
        growths: caller.data().limiter.growths(),
    });
    caller.data_mut().view = view;
    memory.data_mut(caller)
}
