//! What sinks are told of: how much the counters grew since the last time.

use std::collections::{BTreeMap, BTreeSet};

use enginebay::abi::StatsUpdate;
use enginebay::abi::stats::{CounterUpdate, GaugeUpdate};

use super::samples::{Kind, Samples};

/// What sinks were told of last.
#[derive(Default)]
pub(in crate::serve) struct Latch {
    counters: BTreeMap<String, u64>,
    gauges: BTreeSet<String>,
}

impl Latch {
    /// What there is to tell, encoded. As on Envoy, a counter that is 0 and a gauge that never was anything else are left out,
    /// and so are histograms. What was counted before the first time is new then. `None` for more than 4 GiB.
    pub(in crate::serve) fn update(&mut self, samples: &Samples) -> Option<Vec<u8>> {
        let mut update = StatsUpdate::default();
        let mut now = Latch::default();
        for (name, kind, value) in samples.numbers() {
            let bytes = name.as_bytes();
            match kind {
                Kind::Counter if value != 0 => {
                    let before = self.counters.get(name).copied().unwrap_or(0);
                    update.counters.push(CounterUpdate {
                        name: bytes,
                        value,
                        // One that is smaller was forgotten meanwhile, and began anew.
                        delta: value.checked_sub(before).unwrap_or(value),
                    });
                    now.counters.insert(name.to_owned(), value);
                }
                Kind::Gauge if value != 0 || self.gauges.contains(name) => {
                    update.gauges.push(GaugeUpdate { name: bytes, value });
                    now.gauges.insert(name.to_owned());
                }
                _ => {}
            }
        }
        *self = now;
        update.encode()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, values and what is new.
    type Counters = Vec<(String, u64, u64)>;
    type Gauges = Vec<(String, u64)>;

    /// What a sink is told of `numbers`.
    fn told(latch: &mut Latch, numbers: &[(Kind, &str, u64)]) -> (Counters, Gauges) {
        let mut samples = Samples::default();
        for (kind, name, value) in numbers {
            samples.add(*kind, name, *value);
        }
        let bytes = latch.update(&samples).unwrap();
        let update = StatsUpdate::decode(&bytes).unwrap();
        let name = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let counters = update.counters.iter();
        let gauges = update.gauges.iter();
        (
            counters.map(|c| (name(c.name), c.value, c.delta)).collect(),
            gauges.map(|g| (name(g.name), g.value)).collect(),
        )
    }

    #[test]
    fn counters_are_told_with_what_is_new_and_gauges_once_they_were_used() {
        use Kind::{Counter, Gauge};
        let mut latch = Latch::default();
        let counters = |list: &[(&str, u64, u64)]| -> Counters {
            list.iter()
                .map(|(name, value, new)| ((*name).to_owned(), *value, *new))
                .collect()
        };
        let (seen, gauges) = told(
            &mut latch,
            &[(Counter, "a", 3), (Counter, "b", 0), (Gauge, "g", 0)],
        );
        assert_eq!((seen, gauges), (counters(&[("a", 3, 3)]), vec![]));
        let (seen, gauges) = told(
            &mut latch,
            &[(Counter, "a", 5), (Counter, "b", 1), (Gauge, "g", 7)],
        );
        assert_eq!(seen, counters(&[("a", 5, 2), ("b", 1, 1)]));
        assert_eq!(gauges, [("g".to_owned(), 7)]);
        let (seen, gauges) = told(
            &mut latch,
            &[(Counter, "a", 5), (Counter, "b", 1), (Gauge, "g", 0)],
        );
        assert_eq!(seen, counters(&[("a", 5, 0), ("b", 1, 0)]));
        assert_eq!(gauges, [("g".to_owned(), 0)]);
        // What is gone is forgotten, and new when it comes again.
        told(&mut latch, &[]);
        let (seen, gauges) = told(&mut latch, &[(Counter, "a", 2), (Gauge, "g", 0)]);
        assert_eq!((seen, gauges), (counters(&[("a", 2, 2)]), vec![]));
        let (seen, _) = told(&mut latch, &[(Counter, "a", 1)]);
        assert_eq!(seen, counters(&[("a", 1, 1)]));
    }
}
