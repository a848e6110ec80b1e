//! The clock behind a call's time limit.

use std::collections::HashSet;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use enginebay_engine::{Error, ErrorKind};

use crate::sys::deadline::Deadline;

/// What a deadline is set to when it has passed: less than any time.
const PASSED: i64 = -1;

/// Counts time in ticks, so that no call has to read a clock, and marks the deadlines that have passed.
pub(crate) struct Clock {
    shared: Arc<Shared>,
    limit: Duration,
    /// How many ticks a call may take.
    ticks: i64,
    /// Dropping it ends the thread.
    _stop: Sender<()>,
}

struct Shared {
    now: AtomicI64,
    /// Of all instances, whether they run or not.
    deadlines: Mutex<HashSet<Deadline>>,
}

impl Clock {
    /// Starts the thread. Its period is a twentieth of the limit, between 1 and 25 ms: a call is stopped at
    /// most that much late.
    pub(crate) fn start(limit: Duration) -> Result<Clock, Error> {
        let period = (limit / 20).clamp(Duration::from_millis(1), Duration::from_millis(25));
        let shared = Arc::new(Shared {
            now: AtomicI64::new(1),
            deadlines: Mutex::default(),
        });
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("wasmer-clock".to_owned());
        let ticking = Arc::clone(&shared);
        thread
            .spawn(move || {
                while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    ticking.tick();
                }
            })
            .map_err(|error| {
                Error::new(
                    ErrorKind::Setup,
                    format!("the thread that keeps call_time can't be started: {error}"),
                )
            })?;
        let periods = limit.as_nanos().div_ceil(period.as_nanos());
        Ok(Clock {
            shared,
            limit,
            // One more, because the first tick is already running when the call begins.
            ticks: i64::try_from(periods).unwrap_or(i64::MAX / 2).min(i64::MAX / 2) + 1,
            _stop: stop,
        })
    }
}

impl Shared {
    fn tick(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        for deadline in self.deadlines().iter() {
            let deadline = deadline.word();
            let ends = deadline.load(Ordering::Relaxed);
            if (0..=now).contains(&ends) {
                // Fails when the next call began meanwhile, which has another deadline.
                let _ = deadline.compare_exchange(ends, PASSED, Ordering::Relaxed, Ordering::Relaxed);
            }
        }
    }

    fn deadlines(&self) -> MutexGuard<'_, HashSet<Deadline>> {
        // The set is whole even if a thread panicked while it held the lock.
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of one instance's calls. It must be dropped before the instance's store.
pub(crate) struct Timer {
    clock: Arc<Clock>,
    deadline: Deadline,
}

impl Timer {
    pub(crate) fn new(clock: &Arc<Clock>, deadline: Deadline) -> Timer {
        clock.shared.deadlines().insert(deadline);
        Timer {
            clock: Arc::clone(clock),
            deadline,
        }
    }

    /// Begins the time of an outermost call.
    #[inline]
    pub(crate) fn begin(&self) {
        let now = self.clock.shared.now.load(Ordering::Relaxed);
        self.deadline
            .word()
            .store(now.saturating_add(self.clock.ticks), Ordering::Relaxed);
    }

    /// The time limit, if the call has reached it.
    pub(crate) fn passed(&self) -> Option<Duration> {
        let passed = self.deadline.word().load(Ordering::Relaxed) == PASSED;
        passed.then_some(self.clock.limit)
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clock.shared.deadlines().remove(&self.deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::deadline;

    #[test]
    fn a_deadline_is_marked_when_its_time_has_come_and_not_before() {
        let word = AtomicI64::new(i64::MAX);
        let clock = Arc::new(Clock {
            shared: Arc::new(Shared {
                now: AtomicI64::new(1),
                deadlines: Mutex::default(),
            }),
            limit: Duration::from_millis(3),
            ticks: 3,
            _stop: channel().0,
        });
        let timer = Timer::new(&clock, deadline::of_test(&word));
        clock.shared.tick();
        assert_eq!(timer.passed(), None, "nothing has begun");
        timer.begin();
        clock.shared.tick();
        clock.shared.tick();
        assert_eq!(timer.passed(), None);
        clock.shared.tick();
        assert_eq!(timer.passed(), Some(Duration::from_millis(3)));
        timer.begin();
        assert_eq!(timer.passed(), None, "the next call has its own");
        drop(timer);
        for _ in 0..4 {
            clock.shared.tick();
        }
        assert_eq!(word.load(Ordering::Relaxed), 8, "not looked at any more");
    }
}
