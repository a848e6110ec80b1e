//! How long to wait before another attempt.

use std::time::Duration;

use enginebay_config::model;

/// Envoy's `JitteredExponentialBackOffStrategy`: any time below an interval that doubles up to a maximum.
pub struct BackOff {
    next: u64,
    max: u64,
}

impl BackOff {
    /// The back-off with these intervals, at its beginning.
    pub fn new(config: &model::BackOff) -> BackOff {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1);
        BackOff {
            next: millis(config.base_interval),
            max: millis(config.max_interval),
        }
    }

    /// The next wait: less than the interval, of whole milliseconds.
    pub fn wait(&mut self) -> Duration {
        let interval = self.next;
        self.next = interval.saturating_mul(2).min(self.max);
        // Without randomness waits are as long as they can be.
        let random = getrandom::u64().unwrap_or(interval - 1);
        Duration::from_millis(random % interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_double_up_to_the_maximum() {
        let mut back_off = BackOff::new(&model::BackOff::default());
        for interval in [1000, 2000, 4000, 8000, 10_000, 10_000] {
            assert_eq!(back_off.next, interval);
            assert!(back_off.wait() < Duration::from_millis(interval));
        }
    }
}
