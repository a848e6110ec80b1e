//! What happens when a plugin panics.
//!
//! A panic in a plugin has to end one call of one VM, as a trap does in WebAssembly: its destructors run, the process
//! and the other VMs live on. For a plugin that is a Rust type, [`catch_unwind`](std::panic::catch_unwind) does that. A
//! plugin with C entry points takes more, and this page says why each step is there.
//!
//! # The boundary
//! The SDK's entry points are `extern "C"` functions. A panic must not unwind out of such a function, so rustc puts a
//! landing pad into it that raises a second panic, "panic in a function that cannot unwind". That one can't unwind
//! either: std runs the panic hook for it, and when the hook returns, it ends the process. The hook is the last code
//! that runs, and so the place to act.
//!
//! # The steps
//! 1. Before the plugin's code runs, the place to go on at is written down, as C's `setjmp` does: the one way to leave
//!    frames that may neither return nor be unwound is to jump out of them.
//! 2. The hook ([`hook`]) is told of the plugin's own panic first. It writes down the text and returns. The plugin's
//!    frames are unwound as ever: destructors run, the borrows of the SDK's `RefCell`s end. A plugin that catches its panic
//!    goes on, and nobody hears of it.
//! 3. The unwinding arrives at the `extern "C"` function and the hook is told of the second panic. Only frames of std
//!    and of the hook are on the stack below that function now. One of them holds a read lock on the place where std
//!    keeps the hook, and would hold it for ever.
//! 4. The hook ([`unwind`]) therefore starts a forced unwinding, of the kind that ends threads: it runs the landing pads
//!    of one frame after another and asks a function of ours before each. What the hook was given to read is in the frame
//!    of std's that called it and that holds the lock, so it is known which frame that is. When that one's landing pad is
//!    done and the next frame comes up, the lock is free.
//! 5. There the function jumps to the one who called the plugin. The frames that are left behind have nothing more to drop:
//!    std's are through with it, and those of the plugin end at the C function, whose own panic came after it had
//!    dropped what it had.
//! 6. The thread still counts two panics, the plugin's and the second one, and is marked as inside the hook. [`repair`]
//!    sets both right, or `std::thread::panicking()` would say yes from now on and the next panic would end the process.
//!
//! "panic in a destructor during cleanup", the panic about a panic in a destructor that runs because of another one, is
//! the same thing with three panics instead of two. The unwinding ends at that destructor then: what lies behind it is not
//! unwound, and the SDK's contexts on the thread stay borrowed. Every plugin that shares them traps from then on, on this
//! thread.
//!
//! A start function is Rust, and may call a C function, as the SDK's `_initialize` is one: so its panics may end in both ways.
//! When it is left at the C function, what the start function itself had is not dropped.
//!
//! The panic is logged, at level critical, when the call is over: the hook itself runs no code of the host's, because a
//! panic inside the hook ends the process.
//!
//! Rust promises nothing for a forced unwinding through a frame that has something to drop, which std's frame of step 4
//! has; that std's hook works as it does is no promise either. So the tests do all this in debug and release builds. In a
//! std that is laid out in another way the unwinding stops at the same place; then the lock is not free, it is noted,
//! and the hook is not replaced any more.
//!
//! # What it costs
//! Each panic leaks the exception that carried it, about 100 bytes, and its text if that was put together at run time: the
//! landing pad that took it does not give it away. In all it takes about 10 µs. std's count of the panics of all threads stays two too high, so that from the first panic
//! on `std::thread::panicking()` looks at the count of its own thread, which is right.
//!
//! # Where it does not hold
//! * In programs built with `panic = "abort"`, on Windows, and on other machines than x86-64, AArch64 and RISC-V of 64 bits:
//!   a panic in a plugin with C entry points ends the process, after it was printed.
//! * For what Rust ends the process for without a panic: running out of memory, `process::abort`, a stack overflow; and
//!   for the checks of undefined behaviour in builds with debug assertions.
//! * When the program replaces the panic hook after the first engine was made, and keeps the old one out.

mod hook;
mod repair;
#[cfg(all(leaves_frames, panic = "unwind"))]
mod unwind;
#[cfg(not(all(leaves_frames, panic = "unwind")))]
#[path = "no_unwind.rs"]
mod unwind;

use std::cell::Cell;

pub(crate) use hook::{install, reinstall};
pub(crate) use repair::repair;
pub(crate) use unwind::{Ending, Landing};

/// What the hook wrote down about a call: the texts of the last two panics that can unwind.
#[derive(Default)]
pub(crate) struct Panics {
    last: Cell<Option<Box<Texts>>>,
}

#[derive(Default)]
struct Texts {
    before: Option<String>,
    last: Option<String>,
    in_cleanup: bool,
}

impl Panics {
    fn change(&self, change: impl FnOnce(&mut Texts)) {
        let mut texts = self.last.take().unwrap_or_default();
        change(&mut texts);
        self.last.set(Some(texts));
    }

    /// Notes a panic. It may be caught later, by the plugin itself.
    pub(crate) fn note(&self, text: String) {
        self.change(|texts| texts.before = texts.last.replace(text));
    }

    /// Notes that the last panic came out of a destructor that ran because of the one before.
    pub(crate) fn note_cleanup(&self) {
        self.change(|texts| texts.in_cleanup = true);
    }

    /// The text of the panic that ended the call.
    pub(crate) fn first(&self) -> String {
        let texts = self.last.take().unwrap_or_default();
        let text = if texts.in_cleanup {
            texts.before.or(texts.last)
        } else {
            texts.last
        };
        text.unwrap_or_else(|| "panicked without a message".to_owned())
    }
}
