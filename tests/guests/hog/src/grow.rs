//! Two ways to take memory until there is no more.

use std::hint::black_box;

const MIB: usize = 1 << 20;

/// The most that is ever asked for, in MiB. A 32-bit memory ends at 4 GiB anyway; a native build has no limit that
/// would refuse it, and needs this one.
const MOST_MIB: usize = if cfg!(target_arch = "wasm32") { 4096 } else { 256 };

/// Grows the linear memory by hand. It stays grown: WebAssembly has no way to give memory back. Returns the MiB got.
#[cfg(target_arch = "wasm32")]
pub fn by_memory_grow() -> usize {
    use core::arch::wasm32::memory_grow;

    const PAGE: usize = 64 * 1024;
    const PAGES: usize = MIB / PAGE;

    let mut mib = 0;
    while mib < MOST_MIB {
        let first = memory_grow::<0>(PAGES);
        if first == usize::MAX {
            break;
        }
        for page in first..first + PAGES {
            // SAFETY: the page was just added to the memory, so the address is in bounds, and the allocator does not know
            // of it, so nothing else can refer to it.
            unsafe { ((page * PAGE) as *mut u8).write_volatile(0xa5) };
        }
        mib += 1;
    }
    mib
}

/// There is no linear memory to grow, so the allocator has to do.
#[cfg(not(target_arch = "wasm32"))]
pub fn by_memory_grow() -> usize {
    by_allocator()
}

/// Asks the allocator for one MiB after the other, then frees them all. Returns the MiB got.
pub fn by_allocator() -> usize {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    while blocks.len() < MOST_MIB && blocks.try_reserve(1).is_ok() {
        let mut block = Vec::new();
        if block.try_reserve_exact(MIB).is_err() {
            break;
        }
        // Writes every byte, so that the pages are really there.
        block.resize(MIB, 0xa5);
        blocks.push(black_box(block));
    }
    blocks.len()
}
