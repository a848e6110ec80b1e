//! How much plugins may log.

use std::cell::Cell;

/// Counts messages, second by second.
pub(crate) struct LogBudget {
    rate: u32,
    second: Cell<u64>,
    logged: Cell<u32>,
    left_out: Cell<u64>,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Log,
    /// It is logged, once it was said that this many before it were not.
    LogAfter(u64),
    LeaveOut,
}

impl LogBudget {
    pub(crate) fn new(rate: u32) -> Self {
        LogBudget {
            rate,
            second: Cell::new(0),
            logged: Cell::new(0),
            left_out: Cell::new(0),
        }
    }

    pub(crate) fn take(&self, now_ns: u64) -> Verdict {
        let second = now_ns / 1_000_000_000;
        if self.second.replace(second) != second {
            self.logged.set(0);
        }
        if self.logged.get() >= self.rate {
            self.left_out.set(self.left_out.get() + 1);
            return Verdict::LeaveOut;
        }
        self.logged.set(self.logged.get() + 1);
        match self.left_out.take() {
            0 => Verdict::Log,
            left_out => Verdict::LogAfter(left_out),
        }
    }

    /// How many were left out and nobody was told of yet; who asks is to tell.
    pub(crate) fn take_left_out(&self) -> u64 {
        self.left_out.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_too_much_in_a_second_is_left_out_and_told_of_in_the_next() {
        const SECOND: u64 = 1_000_000_000;
        let budget = LogBudget::new(2);
        let verdicts: Vec<_> = [
            0,
            SECOND - 1,
            SECOND - 1,
            SECOND - 1,
            SECOND,
            SECOND,
            SECOND,
            9 * SECOND,
        ]
        .map(|now| budget.take(now))
        .into();
        use Verdict::{LeaveOut, Log, LogAfter};
        assert_eq!(
            verdicts,
            [
                Log,
                Log,
                LeaveOut,
                LeaveOut,
                LogAfter(2),
                Log,
                LeaveOut,
                LogAfter(1)
            ]
        );
        assert_eq!(budget.take_left_out(), 0);
    }
}
