//! How quick the server's processor is just now.
//!
//! What shares the processor with this machine, such as other guests of the same host, is in nobody's account here, and slows
//! servers down for seconds. A fixed piece of work, timed before and after a measurement, tells.

use std::cell::Cell;
use std::hint::black_box;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{SERVER, wrapper};

/// Time a fixed piece of work, and print the nanoseconds it took. For `bench --vs-envoy`.
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Does the work.
///
/// # Errors
///
/// None, but the others have some.
pub fn run(_: &Args) -> Result<()> {
    let mut memory = vec![1_u64; WORDS];
    // Once to have the memory.
    work(&mut memory);
    let best = (0..3).map(|_| {
        let started = Instant::now();
        work(&mut memory);
        started.elapsed()
    });
    println!("{}", best.min().unwrap_or_default().as_nanos());
    Ok(())
}

/// 256 KiB: what a processor has to itself.
const WORDS: usize = 1 << 15;

/// Steps through memory, each place named by what was found at the one before.
fn work(memory: &mut [u64]) {
    let mut at = 0_u64;
    for step in 0..1_000_000_u64 {
        let place = &mut memory[(at % WORDS as u64) as usize];
        *place = place.wrapping_add(step);
        at = (at ^ *place).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20;
    }
    black_box(at);
}

/// The quickest that the work was seen.
pub(super) struct Pace {
    quickest: Cell<Duration>,
    first: bool,
}

impl Pace {
    /// How many times the quickest time the work may take, while a measurement counts.
    const SLOWEST: f64 = 1.15;

    pub(super) fn new(first: bool) -> Self {
        Pace {
            quickest: Cell::new(Duration::MAX),
            first,
        }
    }

    /// Times the work on the server's processor: how many times the quickest time it took.
    pub(super) fn slowness(&self) -> Result<f64> {
        let own = std::env::current_exe().context("there is no program to do the work")?;
        let words = wrapper(Some(SERVER), self.first);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg(own).arg("pace");
        let output = command.output().context("cannot start the work")?;
        let took = String::from_utf8_lossy(&output.stdout).trim().parse();
        let took = Duration::from_nanos(took.context("the work gave no time")?);
        self.quickest.set(self.quickest.get().min(took));
        Ok(took.as_secs_f64() / self.quickest.get().as_secs_f64())
    }

    pub(super) fn is_slow(slowness: f64) -> bool {
        slowness > Self::SLOWEST
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_work_is_done() {
        let mut memory = vec![1; WORDS];
        work(&mut memory);
        assert!(memory.iter().filter(|word| **word != 1).count() > WORDS / 2);
        assert!(Pace::is_slow(1.2) && !Pace::is_slow(1.0));
    }
}
