//! When a plugin whose VM failed is started anew (`FAIL_RELOAD`).

use std::cell::Cell;
use std::time::Duration;

use enginebay::BackOff;
use tokio::time::Instant;

/// The back-off of one plugin on one thread.
///
/// The first wait is `base_interval`. It doubles, up to `max_interval`, each time that the plugin can't be started or that
/// its new VM fails before a stream went well, and is `base_interval` again after one did. Each wait is up to a tenth longer,
/// so that threads and servers don't all start anew at one moment.
pub(super) struct Reloads {
    back_off: BackOff,
    wait: Cell<Duration>,
    /// When to try again; `None` while the plugin runs, for all that is known.
    at: Cell<Option<Instant>>,
}

impl Reloads {
    pub(super) fn new(back_off: BackOff) -> Self {
        Reloads {
            back_off,
            wait: Cell::new(back_off.base_interval),
            at: Cell::new(None),
        }
    }

    /// A VM was met that failed then. Says whether to try now. `proved` is whether a stream had gone well, and `random` any
    /// number.
    pub(super) fn is_due(&self, now: Instant, failed_at: Instant, proved: bool, random: u8) -> bool {
        if self.at.get().is_none() {
            if proved {
                self.wait.set(self.back_off.base_interval);
            }
            self.begin(failed_at, random);
        }
        self.at.get().is_some_and(|at| at <= now)
    }

    /// It was tried. The next wait is longer, unless a stream goes well before.
    pub(super) fn tried(&self, now: Instant, success: bool, random: u8) {
        let longer = self.wait.get().saturating_mul(2).min(self.back_off.max_interval);
        self.wait.set(longer);
        match success {
            true => self.at.set(None),
            false => self.begin(now, random),
        }
    }

    fn begin(&self, now: Instant, random: u8) {
        let wait = self.wait.get();
        let jitter = wait / 10 * u32::from(random) / 255;
        self.at.set(now.checked_add(wait.saturating_add(jitter)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_until_a_stream_goes_well() {
        let mut now = Instant::now();
        let reloads = Reloads::new(BackOff::default());
        let mut after = |seconds, proved| {
            now += Duration::from_secs(seconds);
            let due = reloads.is_due(now, now, proved, 0);
            if due {
                reloads.tried(now, true, 0);
            }
            due
        };
        assert!(!after(5, true));
        assert!(after(1, true));
        // It crashes at once, and again.
        for wait in [2, 4, 8, 10, 10] {
            assert!(!after(0, false));
            assert!(!after(wait - 1, false));
            assert!(after(1, false));
        }
        assert!(!after(0, true));
        assert!(after(1, true));
    }

    #[test]
    fn what_does_not_start_is_tried_again_later() {
        let now = Instant::now();
        let reloads = Reloads::new(BackOff::default());
        assert!(!reloads.is_due(now, now, true, 0));
        reloads.tried(now, false, 0);
        assert!(!reloads.is_due(now + Duration::from_secs(1), now, true, 0));
        assert!(reloads.is_due(now + Duration::from_secs(2), now, true, 0));
    }

    #[test]
    fn waits_are_up_to_a_tenth_longer() {
        let now = Instant::now();
        let reloads = Reloads::new(BackOff::default());
        assert!(!reloads.is_due(now, now, true, 255));
        assert!(!reloads.is_due(now + Duration::from_millis(1099), now, true, 0));
        assert!(reloads.is_due(now + Duration::from_millis(1100), now, true, 0));
    }

    #[test]
    fn who_comes_long_after_the_failure_does_not_wait() {
        let failed = Instant::now();
        let reloads = Reloads::new(BackOff::default());
        assert!(reloads.is_due(failed + Duration::from_secs(1), failed, true, 0));
    }
}
