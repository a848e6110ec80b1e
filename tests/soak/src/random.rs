//! Numbers that are the same for the same seed.

use std::ops::RangeInclusive;
use std::time::Duration;

/// SplitMix64: good enough for load, and one addition long.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of one of many that share a seed.
    pub(crate) fn new(seed: u64, number: u64) -> Self {
        let mut random = Random(seed ^ number.wrapping_mul(0xd134_2543_de82_ef95));
        random.next();
        random
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn within(&mut self, range: RangeInclusive<u64>) -> u64 {
        let count = (range.end() - range.start()).saturating_add(1);
        range.start() + self.next() % count
    }

    /// True once in so many times.
    pub(crate) fn once_in(&mut self, times: u64) -> bool {
        self.next().is_multiple_of(times)
    }

    pub(crate) fn millis(&mut self, most: u64) -> Duration {
        Duration::from_millis(self.within(0..=most))
    }

    pub(crate) fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[self.within(0..=N as u64 - 1) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_numbers_and_others_give_others() {
        let numbers = |seed, number| {
            let mut random = Random::new(seed, number);
            [(); 8].map(|()| random.within(0..=u64::MAX - 1))
        };
        assert_eq!(numbers(1, 2), numbers(1, 2));
        assert_ne!(numbers(1, 2), numbers(1, 3));
        assert_ne!(numbers(1, 2), numbers(2, 2));
        let mut random = Random::new(0, 0);
        assert!((0..1000).all(|_| (3..=5).contains(&random.within(3..=5))));
        assert!(
            (0..1000)
                .map(|_| random.one_of([1, 2, 3]))
                .any(|number| number == 3)
        );
    }
}
