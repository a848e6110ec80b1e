//! Puts std's count of this thread's panics right.

use std::cell::Cell;
use std::panic::{catch_unwind, resume_unwind};

/// Panics that can be one inside the other without anybody catching one. Three are known of.
const MOST: u32 = 16;

thread_local! {
    static REPAIRING: Cell<bool> = const { Cell::new(false) };
}

/// To be called when a plugin's code was left from inside the panic hook. `panicking` is whether the thread panicked
/// before that code ran.
///
/// std keeps two things for each thread: how many panics are on their way, and whether the hook runs. A panic adds one to
/// the count and sets the flag; the hook's end clears the flag; a `catch_unwind` that catches takes one from the count and
/// clears the flag. While the flag is set, [`resume_unwind`] adds nothing, and what catches it still takes one away. So
/// a panic that is thrown and caught while the flag is set makes the count one smaller.
#[cold]
pub(crate) fn repair(panicking: bool) {
    throw_and_catch();
    // A thread that panicked before goes on to: then it is known only that there was one panic more.
    let mut rounds = if panicking { 1 } else { MOST };
    while rounds > 0 && (panicking || std::thread::panicking()) {
        rounds -= 1;
        REPAIRING.set(true);
        // Its hook takes away two: this panic and one of those left behind.
        let _ = catch_unwind(|| panic!("repair"));
        REPAIRING.set(false);
    }
}

/// For the hook: whether it was called by [`repair`]. Then it is done.
pub(super) fn in_hook() -> bool {
    let repairing = REPAIRING.get();
    if repairing {
        throw_and_catch();
    }
    repairing
}

fn throw_and_catch() {
    let _ = catch_unwind(|| resume_unwind(Box::new(())));
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_thread_that_does_not_panic_is_left_alone() {
        super::repair(false);
        assert!(!std::thread::panicking());
    }
}
