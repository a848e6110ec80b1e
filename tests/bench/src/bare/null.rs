//! Native code: C functions that are called through pointers, as a host and a plugin in one program would.

use std::cell::{Cell, RefCell};
use std::hint::black_box;

use crate::bare::Bare;

thread_local! {
    static CALLS: Cell<u64> = const { Cell::new(0) };
    static BUFFER: RefCell<[u8; 64]> = const { RefCell::new([0; 64]) };
}

extern "C" fn host_nothing(context: u32) -> u32 {
    if context == 0 {
        return 1;
    }
    CALLS.set(CALLS.get() + u64::from(context));
    0
}

extern "C" fn host_copy(from: &[u8; 64], to: &mut [u8; 64]) -> u32 {
    BUFFER.with_borrow_mut(|buffer| {
        *buffer = *from;
        *to = *buffer;
    });
    0
}

extern "C" fn guest_on_log(context: u32) {
    black_box(context);
}

extern "C" fn guest_calls(host: &Host, context: u32, n: u32) -> u32 {
    for _ in 0..n {
        (host.nothing)(context);
    }
    0
}

extern "C" fn guest_copies(host: &Host, n: u32) -> u32 {
    let (from, mut to) = ([1; 64], [0; 64]);
    for _ in 0..n {
        (host.copy)(&from, &mut to);
    }
    0
}

/// What the guest can call.
struct Host {
    nothing: extern "C" fn(u32) -> u32,
    copy: extern "C" fn(&[u8; 64], &mut [u8; 64]) -> u32,
}

/// The guest.
pub struct Guest {
    host: Host,
    on_log: extern "C" fn(u32),
    calls: extern "C" fn(&Host, u32, u32) -> u32,
    copies: extern "C" fn(&Host, u32) -> u32,
}

impl Guest {
    /// The addresses of its functions, which the compiler doesn't get to see through.
    #[expect(clippy::new_without_default, reason = "as the others")]
    pub fn new() -> Guest {
        black_box(Guest {
            host: Host {
                nothing: host_nothing,
                copy: host_copy,
            },
            on_log: guest_on_log,
            calls: guest_calls,
            copies: guest_copies,
        })
    }
}

impl Bare for Guest {
    fn callback(&mut self) {
        (self.on_log)(1);
    }

    fn host_calls(&mut self, n: u32) {
        (self.calls)(&self.host, 1, n);
    }

    fn copies(&mut self, n: u32) {
        (self.copies)(&self.host, n);
    }
}
