//! The clock behind the time limit of engines whose compiled code looks at a word of its instance.

use std::collections::HashSet;
use std::hash::Hash;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::{Error, ErrorKind};

/// The word of an instance that its compiled code compares with zero, and that a [`Clock`] writes to.
pub trait Deadline: Copy + Eq + Hash + Send + 'static {
    /// The deadline: a time in ticks, or a negative number when it has passed.
    fn word(&self) -> &AtomicI64;

    /// Whether the clock has found it to be over.
    fn has_passed(&self) -> bool {
        self.word().load(Ordering::Relaxed) == PASSED
    }
}

/// What a deadline is set to when it has passed: less than any time.
const PASSED: i64 = -1;

/// Counts time in ticks, so that no call has to read a clock, and marks the deadlines that have passed. One thread for
/// all instances of an engine.
pub struct Clock<D> {
    shared: Arc<Shared<D>>,
    limit: Duration,
    /// How many ticks a call may take.
    ticks: i64,
    /// Dropping it ends the thread.
    _stop: Sender<()>,
}

struct Shared<D> {
    now: AtomicI64,
    /// Of all instances, whether they run or not.
    deadlines: Mutex<HashSet<D>>,
}

impl<D: Deadline> Clock<D> {
    /// Starts the thread, for calls that may take this long. Its period is a twentieth of the limit, between 1 and 25 ms:
    /// a call is stopped at most that much late.
    ///
    /// # Errors
    /// [`ErrorKind::Setup`] when the system can't start a thread.
    pub fn start(limit: Duration) -> Result<Clock<D>, Error> {
        let period = (limit / 20).clamp(Duration::from_millis(1), Duration::from_millis(25));
        let shared = Arc::new(Shared {
            now: AtomicI64::new(1),
            deadlines: Mutex::default(),
        });
        let (stop, stopped) = channel::<()>();
        let thread = std::thread::Builder::new().name("enginebay-clock".to_owned());
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

impl<D: Deadline> Shared<D> {
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

    fn deadlines(&self) -> MutexGuard<'_, HashSet<D>> {
        // The set is whole even if a thread panicked while it held the lock.
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of one instance's calls. The clock looks at the deadline until this is dropped.
pub struct Timer<D: Deadline> {
    clock: Arc<Clock<D>>,
    deadline: D,
}

impl<D: Deadline> Timer<D> {
    /// Has the clock look at this deadline.
    pub fn new(clock: &Arc<Clock<D>>, deadline: D) -> Timer<D> {
        clock.shared.deadlines().insert(deadline);
        Timer {
            clock: Arc::clone(clock),
            deadline,
        }
    }

    /// Begins the time of an outermost call.
    #[inline]
    pub fn begin(&self) {
        let now = self.clock.shared.now.load(Ordering::Relaxed);
        self.deadline
            .word()
            .store(now.saturating_add(self.clock.ticks), Ordering::Relaxed);
    }

    /// The time limit, if the call has reached it.
    pub fn passed(&self) -> Option<Duration> {
        self.deadline.has_passed().then_some(self.clock.limit)
    }
}

impl<D: Deadline> Drop for Timer<D> {
    fn drop(&mut self) {
        self.clock.shared.deadlines().remove(&self.deadline);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Word(&'static AtomicI64);

    impl Deadline for Word {
        fn word(&self) -> &AtomicI64 {
            self.0
        }
    }

    impl PartialEq for Word {
        fn eq(&self, other: &Self) -> bool {
            std::ptr::eq(self.0, other.0)
        }
    }

    impl Eq for Word {}

    impl Hash for Word {
        fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
            std::ptr::hash(self.0, state);
        }
    }

    #[test]
    fn a_deadline_is_marked_when_its_time_has_come_and_not_before() {
        static WORD: AtomicI64 = AtomicI64::new(i64::MAX);
        let clock = Arc::new(Clock {
            shared: Arc::new(Shared {
                now: AtomicI64::new(1),
                deadlines: Mutex::default(),
            }),
            limit: Duration::from_millis(3),
            ticks: 3,
            _stop: channel().0,
        });
        let timer = Timer::new(&clock, Word(&WORD));
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
        assert_eq!(WORD.load(Ordering::Relaxed), 8, "not looked at any more");
    }
}
