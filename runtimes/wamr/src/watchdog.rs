//! The clock behind a call's time limit.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use enginebay_engine::{Error, ErrorKind};

use crate::sys::Interrupter;

/// The deadline of an instance that is not running.
const IDLE: u64 = 0;
/// Set in a deadline while the thread interrupts the call it belongs to.
const FIRING: u64 = 1 << 63;

/// A thread that interrupts the calls of an engine's instances when they take too long.
pub(crate) struct Watchdog {
    limit: Duration,
    /// Ticks a call may take.
    ticks: u64,
    shared: Arc<Shared>,
    /// Dropping it ends the thread.
    _stop: Sender<()>,
}

struct Shared {
    /// The number of the current tick.
    now: AtomicU64,
    slots: Mutex<Vec<Arc<Slot>>>,
}

struct Slot {
    /// The tick after which the running call has to end, or [`IDLE`].
    deadline: AtomicU64,
    /// Whether a call was interrupted since the last look.
    fired: AtomicBool,
    interrupter: Arc<Interrupter>,
}

impl Watchdog {
    /// Starts the thread. The period is a tenth of the limit, between 1 and 10 ms: a call is interrupted at most two
    /// of them late.
    pub(crate) fn start(limit: Duration) -> Result<Watchdog, Error> {
        let period = (limit / 10).clamp(Duration::from_millis(1), Duration::from_millis(10));
        let periods = u64::try_from(limit.as_nanos().div_ceil(period.as_nanos())).unwrap_or(u64::MAX);
        let shared = Arc::new(Shared {
            now: AtomicU64::new(1),
            slots: Mutex::default(),
        });
        let (stop, stopped) = channel::<()>();
        std::thread::Builder::new()
            .name("wamr-watchdog".to_owned())
            .spawn({
                let shared = shared.clone();
                move || {
                    while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                        shared.tick();
                    }
                }
            })
            .map_err(|error| {
                Error::new(
                    ErrorKind::Setup,
                    format!("the thread that keeps the time limit can't be started: {error}"),
                )
            })?;
        Ok(Watchdog {
            limit,
            // One more, because a tick is already running when a call begins.
            ticks: periods.min(u64::MAX >> 2) + 1,
            shared,
            _stop: stop,
        })
    }
}

impl Shared {
    /// Ticks are counted, not timed: when the thread gets too little time, calls have more.
    fn tick(&self) {
        let now = self.now.fetch_add(1, Ordering::Relaxed) + 1;
        for slot in self.slots().iter() {
            slot.check(now);
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Arc<Slot>>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Slot {
    /// Interrupts the call that is over its deadline, again at every tick until it ends: a host function may have gone
    /// on after the interruption of a call it made.
    fn check(&self, now: u64) {
        let deadline = self.deadline.load(Ordering::Relaxed);
        if deadline == IDLE || deadline > now {
            return;
        }
        // From here on the end of the call waits, so that what is interrupted is this call and not the next.
        if self
            .deadline
            .compare_exchange(deadline, deadline | FIRING, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
        {
            self.fired.store(true, Ordering::Relaxed);
            self.interrupter.interrupt();
            self.deadline.store(deadline, Ordering::Release);
        }
    }
}

/// Measures the calls of one instance.
pub(crate) struct Timer {
    slot: Arc<Slot>,
    watchdog: Arc<Watchdog>,
}

impl Timer {
    pub(crate) fn new(watchdog: Arc<Watchdog>, interrupter: Arc<Interrupter>) -> Timer {
        let slot = Arc::new(Slot {
            deadline: AtomicU64::new(IDLE),
            fired: AtomicBool::new(false),
            interrupter,
        });
        watchdog.shared.slots().push(slot.clone());
        Timer { slot, watchdog }
    }

    pub(crate) fn limit(&self) -> Duration {
        self.watchdog.limit
    }

    /// Begins the time of an outermost call.
    #[inline]
    pub(crate) fn begin(&self) {
        let now = self.watchdog.shared.now.load(Ordering::Relaxed);
        self.slot
            .deadline
            .store(now + self.watchdog.ticks, Ordering::Release);
    }

    /// Ends it, and says whether the call was interrupted: also one that came to its end all the same.
    #[inline]
    pub(crate) fn end(&self) -> bool {
        let mut deadline = self.slot.deadline.load(Ordering::Relaxed);
        while let Err(current) =
            self.slot
                .deadline
                .compare_exchange(deadline & !FIRING, IDLE, Ordering::AcqRel, Ordering::Relaxed)
        {
            deadline = current;
            std::thread::yield_now();
        }
        let fired = self.slot.fired.load(Ordering::Relaxed);
        if fired {
            self.slot.fired.store(false, Ordering::Relaxed);
        }
        fired
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let mut slots = self.watchdog.shared.slots();
        if let Some(place) = slots.iter().position(|slot| Arc::ptr_eq(slot, &self.slot)) {
            slots.swap_remove(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A timer whose watchdog's thread has nothing to do.
    fn timer() -> Timer {
        let watchdog = Watchdog::start(Duration::from_millis(10)).unwrap();
        let timer = Timer::new(Arc::new(watchdog), Arc::new(Interrupter::of_nothing()));
        timer.watchdog.shared.slots().clear();
        timer
    }

    #[test]
    fn a_call_has_its_ticks_and_no_more() {
        let timer = timer();
        timer.begin();
        let deadline = timer.slot.deadline.load(Ordering::Relaxed);
        timer.slot.check(deadline - 1);
        assert!(!timer.end());
        timer.begin();
        let deadline = timer.slot.deadline.load(Ordering::Relaxed);
        timer.slot.check(deadline);
        assert_eq!(timer.slot.deadline.load(Ordering::Relaxed), deadline);
        assert!(timer.end());
        timer.begin();
        assert!(!timer.end(), "said once");
    }

    #[test]
    fn nothing_happens_between_calls() {
        let timer = timer();
        timer.slot.check(u64::MAX >> 2);
        timer.begin();
        assert!(!timer.end());
        timer.slot.check(u64::MAX >> 2);
        timer.begin();
        assert!(!timer.end());
    }

    #[test]
    fn the_end_of_a_call_waits_for_its_interruption() {
        let timer = timer();
        timer.begin();
        // As `check` leaves it while it interrupts.
        let deadline = timer.slot.deadline.fetch_or(FIRING, Ordering::Relaxed);
        let slot = timer.slot.clone();
        let end = std::thread::spawn(move || timer.end());
        std::thread::sleep(Duration::from_millis(50));
        assert!(!end.is_finished());
        slot.fired.store(true, Ordering::Relaxed);
        slot.deadline.store(deadline, Ordering::Release);
        assert!(end.join().unwrap());
        assert_eq!(slot.deadline.load(Ordering::Relaxed), IDLE);
    }

    #[test]
    fn a_timer_leaves_the_watchdog_when_it_goes() {
        let watchdog = Arc::new(Watchdog::start(Duration::from_millis(10)).unwrap());
        let timers: Vec<_> = (0..3)
            .map(|_| Timer::new(watchdog.clone(), Arc::new(Interrupter::of_nothing())))
            .collect();
        assert_eq!(watchdog.shared.slots().len(), 3);
        let last = timers.into_iter().next_back();
        assert_eq!(watchdog.shared.slots().len(), 1);
        drop(last);
        assert!(watchdog.shared.slots().is_empty());
    }
}
