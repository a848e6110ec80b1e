//! Values of a histogram, in log-linear buckets.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use super::Metric;

/// Places of a decade: the first two digits of a number, 10 to 99.
const PLACES: usize = 90;
/// Decades of two digits and more that 64 bits have: 10 to 99, 100 to 999, and so on.
const DECADES: usize = 19;

type Decade = [AtomicU64; PLACES];

/// What a histogram was given. Numbers of which the first two digits and the length are the same are counted together, as in
/// Envoy; a decade takes memory once there is a number of it, so the whole takes 14 KiB at most.
pub(super) struct Histogram {
    count: AtomicU64,
    /// The sum, which wraps around.
    sum: AtomicU64,
    /// How many values were at most as large as each of [`Metric::BUCKETS`], and larger than the one before.
    bounds: [AtomicU64; Metric::BUCKETS.len()],
    /// The numbers of one digit.
    digits: [AtomicU64; 10],
    decades: [OnceLock<Box<Decade>>; DECADES],
}

/// Numbers that were counted together: how many, the lowest of them, and how far it is to the next bucket.
struct Bucket {
    count: u64,
    low: f64,
    width: f64,
}

impl Histogram {
    pub(super) fn new() -> Self {
        Histogram {
            count: AtomicU64::new(0),
            sum: AtomicU64::new(0),
            bounds: [const { AtomicU64::new(0) }; Metric::BUCKETS.len()],
            digits: [const { AtomicU64::new(0) }; 10],
            decades: [const { OnceLock::new() }; DECADES],
        }
    }

    pub(super) fn record(&self, value: u64) {
        self.count.fetch_add(1, Relaxed);
        self.sum.fetch_add(value, Relaxed);
        let bound = Metric::BUCKETS.partition_point(|bound| *bound < value as f64);
        if let Some(bucket) = self.bounds.get(bound) {
            bucket.fetch_add(1, Relaxed);
        }
        if let Some(digit) = self.digits.get(value as usize).filter(|_| value < 10) {
            digit.fetch_add(1, Relaxed);
            return;
        }
        let decade = value.ilog10() - 1;
        let place = (value / 10u64.pow(decade)) as usize - 10;
        let places =
            self.decades[decade as usize].get_or_init(|| Box::new([const { AtomicU64::new(0) }; PLACES]));
        places[place].fetch_add(1, Relaxed);
    }

    pub(super) fn count(&self) -> u64 {
        self.count.load(Relaxed)
    }

    pub(super) fn sum(&self) -> u64 {
        self.sum.load(Relaxed)
    }

    /// For each of [`Metric::BUCKETS`], how many values were at most as large.
    pub(super) fn cumulative(&self) -> Vec<u64> {
        let mut sum = 0;
        let add = |bucket: &AtomicU64| {
            sum += bucket.load(Relaxed);
            sum
        };
        self.bounds.iter().map(add).collect()
    }

    /// Each of [`Metric::QUANTILES`], or nothing if there were no values. A quantile is the smallest value that at least so
    /// many are not above; the values of a bucket are taken to lie in it at equal distances.
    pub(super) fn quantiles(&self) -> Vec<f64> {
        let buckets = self.buckets();
        // The count may be ahead of the buckets: other threads are recording.
        let total: u64 = buckets.iter().map(|bucket| bucket.count).sum();
        let mut rest = buckets.iter();
        let (mut below, mut bucket) = (0, rest.next());
        let quantile = |share: &f64| {
            let rank = ((share * total as f64).ceil() as u64).clamp(1, total.max(1));
            while let Some(full) = bucket
                && below + full.count < rank
            {
                below += full.count;
                bucket = rest.next();
            }
            bucket.map(|bucket| {
                let share = (rank - below) as f64 / (bucket.count as f64 + 1.0);
                bucket.low + bucket.width * share
            })
        };
        Metric::QUANTILES.iter().map_while(quantile).collect()
    }

    /// Those with numbers, from the lowest on.
    fn buckets(&self) -> Vec<Bucket> {
        let bucket = |count: &AtomicU64, low: f64, width: f64| Bucket {
            count: count.load(Relaxed),
            low,
            width,
        };
        let digits = self.digits.iter().enumerate().map(|(digit, count)| {
            // As in Envoy: 0 is 0, and 1 lies between 1 and 1.1.
            let width = if digit == 0 { 0.0 } else { 0.1 };
            bucket(count, digit as f64, width)
        });
        let decades = self.decades.iter().zip(0..).filter_map(|(decade, power)| {
            let width = 10f64.powi(power);
            let places = decade.get()?.iter().enumerate();
            Some(places.map(move |(place, count)| bucket(count, (place + 10) as f64 * width, width)))
        });
        let all = digits.chain(decades.flatten());
        all.filter(|bucket| bucket.count > 0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: &[u64]) -> Histogram {
        let histogram = Histogram::new();
        for value in values {
            histogram.record(*value);
        }
        histogram
    }

    /// What Envoy 1.40 says for the same values.
    #[test]
    fn quantiles_are_as_in_envoy() {
        let cases: [(&[u64], [f64; 10]); 3] = [
            (&[1], [1.05; 10]),
            (
                &[1, 100],
                [1.05, 1.05, 1.05, 105.0, 105.0, 105.0, 105.0, 105.0, 105.0, 105.0],
            ),
            (
                &[1, 100, 5, 9, 10, 11, 42, 99, 123, 123, 123, 1000, 1234, 7000],
                [
                    1.05, 10.5, 99.5, 127.5, 1250.0, 7050.0, 7050.0, 7050.0, 7050.0, 7050.0,
                ],
            ),
        ];
        for (values, expected) in cases {
            let quantiles = histogram(values).quantiles();
            assert_eq!(quantiles.len(), expected.len());
            for (quantile, expected) in quantiles.iter().zip(expected) {
                assert!((quantile - expected).abs() < 1e-9, "{values:?}: {quantiles:?}");
            }
        }
        assert!(histogram(&[]).quantiles().is_empty());
        assert_eq!(histogram(&[0, 0]).quantiles(), [0.0; 10]);
    }

    #[test]
    fn every_number_has_a_place_near_it() {
        for power in 0..64 {
            for value in [
                1u64 << power,
                (1 << power) - 1,
                u64::MAX >> power,
                u64::MAX - power,
            ] {
                let histogram = histogram(&[value]);
                let buckets = histogram.buckets();
                assert_eq!(buckets.len(), 1, "{value}");
                let Bucket { count, low, width } = buckets[0];
                assert_eq!(count, 1);
                let value = value as f64;
                assert!(low <= value && value <= low + width, "{value}: {low}, {width}");
                assert!(width <= low / 10.0 + f64::EPSILON, "{value}: {low}, {width}");
            }
        }
    }

    #[test]
    fn memory_has_a_bound() {
        let histogram = histogram(&[]);
        for power in 0..64 {
            histogram.record(u64::MAX >> power);
        }
        assert!(histogram.decades.iter().all(|decade| decade.get().is_some()));
        assert!(size_of::<Histogram>() + DECADES * size_of::<Decade>() <= 14 << 10);
    }
}
