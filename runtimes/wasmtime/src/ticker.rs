//! The clock behind a call's time limit.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

/// Advances an engine's epoch for as long as it lives, so that no call has to read a clock.
pub(crate) struct Ticker {
    /// How many epochs a call may take.
    pub(crate) deadline: u64,
    /// Dropping it ends the thread.
    _stop: Sender<()>,
}

impl Ticker {
    /// Starts the thread. The period is a tenth of the limit, between 1 and 10 ms: a call is stopped at
    /// most that much late.
    pub(crate) fn start(engine: &wasmtime::Engine, limit: Duration) -> Ticker {
        let period = (limit / 10).clamp(Duration::from_millis(1), Duration::from_millis(10));
        let (stop, stopped) = channel::<()>();
        let weak = engine.weak();
        let thread = std::thread::Builder::new().name("wasmtime-epoch".to_owned());
        // Without the thread no call would ever be stopped: rather fail loudly at start-up.
        thread
            .spawn(move || {
                while stopped.recv_timeout(period) == Err(RecvTimeoutError::Timeout) {
                    match weak.upgrade() {
                        Some(engine) => engine.increment_epoch(),
                        None => break,
                    }
                }
            })
            .expect("the system can start a thread");
        let periods = limit.as_nanos().div_ceil(period.as_nanos());
        Ticker {
            // One more, because the first epoch is already running when the call begins.
            deadline: u64::try_from(periods).unwrap_or(u64::MAX / 2).min(u64::MAX / 2) + 1,
            _stop: stop,
        }
    }
}
