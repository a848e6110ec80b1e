//! Metrics that plugins define.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use enginebay_abi::{MetricType, Status};

use super::histogram::Histogram;
use super::{Full, SharedLimits, lock};

/// The metrics of a [`Shared`](super::Shared), by name. A counter, a gauge and a histogram may have one name.
pub struct Metrics {
    limits: SharedLimits,
    metrics: Mutex<BTreeMap<(String, u32), Arc<Metric>>>,
}

/// One metric. VMs on all threads change it without a lock.
pub struct Metric {
    kind: MetricType,
    /// The value of a counter or a gauge.
    value: AtomicU64,
    /// There if it is a histogram.
    histogram: Option<Box<Histogram>>,
}

/// What a metric says at one time.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MetricValue {
    /// A number that only grows.
    Counter(u64),
    /// A number.
    Gauge(u64),
    /// How many values there were, and how they are spread.
    Histogram {
        /// Number of values.
        count: u64,
        /// Their sum; it wraps around.
        sum: u64,
        /// For each of [`Metric::BUCKETS`], the number of values that are at most as large. Those that are larger than all
        /// of these are in the count alone.
        buckets: Vec<u64>,
        /// Each of [`Metric::QUANTILES`], within 10 % of the value; empty if there were no values.
        quantiles: Vec<f64>,
    },
}

impl Metric {
    /// The bounds of a histogram's buckets: Envoy's.
    pub const BUCKETS: [f64; 19] = [
        0.5,
        1.0,
        5.0,
        10.0,
        25.0,
        50.0,
        100.0,
        250.0,
        500.0,
        1_000.0,
        2_500.0,
        5_000.0,
        10_000.0,
        30_000.0,
        60_000.0,
        300_000.0,
        600_000.0,
        1_800_000.0,
        3_600_000.0,
    ];

    /// The quantiles of a histogram: Envoy's.
    pub const QUANTILES: [f64; 10] = [0.0, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.995, 0.999, 1.0];

    fn new(kind: MetricType) -> Self {
        Metric {
            kind,
            value: AtomicU64::new(0),
            histogram: (kind == MetricType::Histogram).then(|| Box::new(Histogram::new())),
        }
    }

    /// What it says now.
    pub fn value(&self) -> MetricValue {
        let value = self.value.load(Ordering::Relaxed);
        match (&self.histogram, self.kind) {
            (Some(histogram), _) => MetricValue::Histogram {
                count: histogram.count(),
                sum: histogram.sum(),
                buckets: histogram.cumulative(),
                quantiles: histogram.quantiles(),
            },
            (None, MetricType::Counter) => MetricValue::Counter(value),
            (None, _) => MetricValue::Gauge(value),
        }
    }

    /// `proxy_record_metric`.
    fn record(&self, value: u64) {
        match self.kind {
            // Envoy adds what is recorded to a counter.
            MetricType::Counter => {
                self.value.fetch_add(value, Ordering::Relaxed);
            }
            MetricType::Gauge => self.value.store(value, Ordering::Relaxed),
            MetricType::Histogram => {
                if let Some(histogram) = &self.histogram {
                    histogram.record(value);
                }
            }
        }
    }

    /// `proxy_increment_metric`.
    fn increment(&self, delta: i64) -> Result<(), Status> {
        match self.kind {
            MetricType::Counter if delta > 0 => {
                self.value.fetch_add(delta as u64, Ordering::Relaxed);
                Ok(())
            }
            MetricType::Gauge => {
                // Two's complement: adding what is negative takes away.
                self.value.fetch_add(delta as u64, Ordering::Relaxed);
                Ok(())
            }
            MetricType::Counter | MetricType::Histogram => Err(Status::BadArgument),
        }
    }

    /// `proxy_get_metric`.
    fn get(&self) -> Result<u64, Status> {
        match self.kind {
            MetricType::Histogram => Err(Status::BadArgument),
            MetricType::Counter | MetricType::Gauge => Ok(self.value.load(Ordering::Relaxed)),
        }
    }
}

impl Metrics {
    pub(crate) fn new(limits: SharedLimits) -> Self {
        Metrics {
            limits,
            metrics: Mutex::default(),
        }
    }

    /// Every metric with its name, sorted by name. Plugins give the names: they may hold anything.
    pub fn snapshot(&self) -> Vec<(String, MetricValue)> {
        // Plugins define metrics under the lock, and histograms take their time.
        let metrics: Vec<(String, Arc<Metric>)> = lock(&self.metrics)
            .iter()
            .map(|((name, _), metric)| (name.clone(), metric.clone()))
            .collect();
        let describe = |(name, metric): (String, Arc<Metric>)| (name, metric.value());
        metrics.into_iter().map(describe).collect()
    }

    fn define(&self, kind: MetricType, name: &[u8]) -> Result<Arc<Metric>, Full> {
        if name.len() > self.limits.name_bytes {
            return Err(Full);
        }
        let key = (String::from_utf8_lossy(name).into_owned(), kind.as_u32());
        let mut metrics = lock(&self.metrics);
        if let Some(metric) = metrics.get(&key) {
            return Ok(metric.clone());
        }
        if metrics.len() >= self.limits.metrics {
            return Err(Full);
        }
        let metric = Arc::new(Metric::new(kind));
        metrics.insert(key, metric.clone());
        Ok(metric)
    }
}

/// The metrics that one VM has defined, by the numbers it knows them by.
///
/// As on Envoy, a number has the kind in its two lowest bits and counts up from 1 above them, for each kind; a name that
/// is defined twice gets two numbers.
pub(crate) struct VmMetrics {
    defined: [Vec<Arc<Metric>>; 3],
}

impl VmMetrics {
    pub(crate) fn new() -> Self {
        VmMetrics {
            defined: [const { Vec::new() }; 3],
        }
    }

    pub(crate) fn define(&mut self, metrics: &Metrics, kind: MetricType, name: &[u8]) -> Result<u32, Full> {
        let count: usize = self.defined.iter().map(Vec::len).sum();
        if count >= metrics.limits.metrics_per_vm {
            return Err(Full);
        }
        let metric = metrics.define(kind, name)?;
        let kind = kind.as_u32();
        let defined = &mut self.defined[kind as usize];
        defined.push(metric);
        u32::try_from(defined.len())
            .ok()
            .and_then(|number| number.checked_mul(4))
            .map(|number| number | kind)
            .ok_or(Full)
    }

    /// A number of a kind that there is and of no metric is unknown; one of no kind is a mistake.
    #[inline]
    fn get(&self, id: u32) -> Result<&Metric, Status> {
        let defined = self.defined.get(id as usize & 3).ok_or(Status::BadArgument)?;
        let place = (id as usize >> 2).checked_sub(1).ok_or(Status::NotFound)?;
        defined.get(place).map(|metric| &**metric).ok_or(Status::NotFound)
    }

    #[inline]
    pub(crate) fn record(&self, id: u32, value: u64) -> Result<(), Status> {
        // The specification has but one status for a number that is none.
        self.get(id).map_err(|_| Status::NotFound)?.record(value);
        Ok(())
    }

    #[inline]
    pub(crate) fn increment(&self, id: u32, delta: i64) -> Result<(), Status> {
        self.get(id)?.increment(delta)
    }

    #[inline]
    pub(crate) fn value(&self, id: u32) -> Result<u64, Status> {
        self.get(id)?.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COUNTER: MetricType = MetricType::Counter;
    const GAUGE: MetricType = MetricType::Gauge;
    const HISTOGRAM: MetricType = MetricType::Histogram;

    #[test]
    fn numbers_carry_the_kind_and_values_are_shared() {
        let metrics = Metrics::new(SharedLimits::default());
        let (mut one, mut two) = (VmMetrics::new(), VmMetrics::new());
        assert_eq!(one.define(&metrics, COUNTER, b"c"), Ok(4));
        assert_eq!(one.define(&metrics, GAUGE, b"g"), Ok(5));
        assert_eq!(one.define(&metrics, HISTOGRAM, b"h"), Ok(6));
        assert_eq!(one.define(&metrics, COUNTER, b"c"), Ok(8));
        assert_eq!(two.define(&metrics, COUNTER, b"other"), Ok(4));
        assert_eq!(two.define(&metrics, COUNTER, b"c"), Ok(8));
        one.increment(4, 3).unwrap();
        two.increment(8, 4).unwrap();
        one.record(8, 10).unwrap();
        assert_eq!(one.value(4), Ok(17));
        one.record(5, 7).unwrap();
        one.increment(5, -2).unwrap();
        assert_eq!(one.value(5), Ok(5));
        one.record(6, 3).unwrap();
        one.record(6, u64::MAX).unwrap();
        let names: Vec<_> = metrics.snapshot();
        assert_eq!(names[0], ("c".to_owned(), MetricValue::Counter(17)));
        let MetricValue::Histogram {
            count, sum, buckets, ..
        } = &names[2].1
        else {
            panic!("{names:?}");
        };
        assert_eq!((*count, *sum), (2, 2));
        assert_eq!(buckets[..4], [0, 0, 1, 1]);
        assert_eq!(buckets.last(), Some(&1));
    }

    #[test]
    fn what_a_kind_can_not_do_is_a_mistake() {
        let metrics = Metrics::new(SharedLimits::default());
        let mut vm = VmMetrics::new();
        vm.define(&metrics, COUNTER, b"c").unwrap();
        vm.define(&metrics, HISTOGRAM, b"h").unwrap();
        assert_eq!(vm.increment(4, 0), Err(Status::BadArgument));
        assert_eq!(vm.increment(4, -1), Err(Status::BadArgument));
        assert_eq!(vm.increment(6, 1), Err(Status::BadArgument));
        assert_eq!(vm.value(6), Err(Status::BadArgument));
        for unknown in [0, 1, 8, 5, u32::MAX - 1] {
            assert_eq!(vm.value(unknown), Err(Status::NotFound), "{unknown}");
            assert_eq!(vm.record(unknown, 1), Err(Status::NotFound));
        }
        assert_eq!(vm.value(7), Err(Status::BadArgument));
    }

    #[test]
    fn there_is_room_for_so_many() {
        let limits = SharedLimits {
            metrics: 2,
            metrics_per_vm: 3,
            name_bytes: 3,
            ..SharedLimits::default()
        };
        let metrics = Metrics::new(limits);
        let mut vm = VmMetrics::new();
        assert_eq!(vm.define(&metrics, COUNTER, b"long"), Err(Full));
        assert!(vm.define(&metrics, COUNTER, b"a").is_ok());
        assert!(vm.define(&metrics, GAUGE, b"a").is_ok());
        assert_eq!(vm.define(&metrics, COUNTER, b"b"), Err(Full));
        assert!(vm.define(&metrics, COUNTER, b"a").is_ok());
        assert_eq!(vm.define(&metrics, COUNTER, b"a"), Err(Full));
    }
}
