//! The time limit of a call, kept with fuel.

use std::time::{Duration, Instant};

use enginebay_engine::Trap;
use wasmi::StoreContextMut;

use crate::state::State;

/// Fuel of one portion at most: up to about a millisecond of a guest's work.
const MAX_PORTION: u64 = 1_000_000;

/// Fuel of one portion for each microsecond of the limit: at most a twentieth of what a guest
/// burns in that time.
const PORTION_PER_MICROSECOND: u64 = 50;

/// Fuel of a start function for each microsecond of the limit. Guests burn one to three times as much.
const START_PER_MICROSECOND: u64 = 1_000;

/// Host calls of one portion at most: they burn next to no fuel and may take their time.
const HOST_CALLS: u32 = 256;

/// Measures the outermost call of an instance.
pub(crate) struct Clock {
    /// `None` where there is no limit, and so no fuel.
    limit: Option<Duration>,
    /// What a call gets at its start and after each look at the clock.
    portion: u64,
    host_calls: u32,
    deadline: Option<Instant>,
}

impl Clock {
    /// A clock for the start function, which gets all its fuel at once, because wasmi can't pause it.
    pub(crate) fn new(limit: Option<Duration>) -> Self {
        Clock {
            limit,
            portion: fuel(limit, START_PER_MICROSECOND),
            host_calls: HOST_CALLS,
            deadline: None,
        }
    }

    /// Goes over to the portions of calls.
    pub(crate) fn started(&mut self) {
        self.portion = fuel(self.limit, PORTION_PER_MICROSECOND).clamp(1, MAX_PORTION);
    }

    /// Begins the time of an outermost call.
    #[inline]
    pub(crate) fn begin(ctx: &mut StoreContextMut<'_, State>) {
        let clock = &mut ctx.data_mut().clock;
        if clock.limit.is_some() {
            clock.deadline = None;
            clock.host_calls = HOST_CALLS;
            let portion = clock.portion;
            fill(ctx, portion);
        }
    }

    /// Gives the next portion, of at least `required`, to a call that used up the last one.
    #[cold]
    pub(crate) fn go_on(ctx: &mut StoreContextMut<'_, State>, required: u64) -> Result<(), Trap> {
        let clock = &mut ctx.data_mut().clock;
        clock.look()?;
        let portion = clock.portion.max(required);
        fill(ctx, portion);
        Ok(())
    }

    /// Notes that the guest calls the host.
    #[inline]
    pub(crate) fn host_call(&mut self) -> Result<(), Trap> {
        self.host_calls -= 1;
        if self.host_calls == 0 {
            return self.look();
        }
        Ok(())
    }

    /// Starts the clock at the first look, and compares later.
    #[cold]
    fn look(&mut self) -> Result<(), Trap> {
        self.host_calls = HOST_CALLS;
        let Some(limit) = self.limit else {
            return Ok(());
        };
        let now = Instant::now();
        match self.deadline {
            Some(deadline) if now >= deadline => return Err(Trap::interrupted(limit)),
            Some(_) => {}
            None => self.deadline = now.checked_add(limit),
        }
        Ok(())
    }

    pub(crate) fn limit(&self) -> Duration {
        self.limit.unwrap_or(Duration::MAX)
    }
}

fn fill(ctx: &mut StoreContextMut<'_, State>, fuel: u64) {
    // Fails only on an engine without fuel, which is one without a time limit.
    let _ = ctx.set_fuel(fuel);
}

fn fuel(time: Option<Duration>, per_microsecond: u64) -> u64 {
    let micros = time.unwrap_or_default().as_micros();
    u64::try_from(micros)
        .unwrap_or(u64::MAX)
        .saturating_mul(per_microsecond)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn portions_are_a_small_part_of_the_limit() {
        let portion = |limit| {
            let mut clock = Clock::new(limit);
            clock.started();
            clock.portion
        };
        assert_eq!(portion(Some(Duration::from_secs(1))), MAX_PORTION);
        assert_eq!(portion(Some(Duration::from_millis(1))), 50_000);
        assert_eq!(portion(Some(Duration::ZERO)), 1);
    }

    #[test]
    fn host_calls_are_stopped_between_two_looks_at_the_clock() {
        let mut clock = Clock::new(Some(Duration::ZERO));
        let stopped = (1..).find(|_| clock.host_call().is_err());
        assert_eq!(stopped, Some(2 * HOST_CALLS));
        let mut clock = Clock::new(None);
        assert!((0..3 * HOST_CALLS).all(|_| clock.host_call().is_ok()));
    }
}
