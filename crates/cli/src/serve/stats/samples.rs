//! Numbers with their names, as they are at one time.

use std::collections::BTreeMap;

use enginebay::host::MetricValue;
use regex::Regex;

/// What kind of number it is, in the order in which Envoy has them for Prometheus.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::serve) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    /// The name in a `# TYPE` line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Counter => "counter",
            Kind::Gauge => "gauge",
            Kind::Histogram => "histogram",
        }
    }
}

/// Values and how they are spread: see [`MetricValue::Histogram`].
#[derive(Debug, PartialEq)]
pub(super) struct Histogram {
    pub(super) count: u64,
    pub(super) sum: u64,
    pub(super) buckets: Vec<u64>,
    pub(super) quantiles: Vec<f64>,
}

/// Which of them are asked for.
#[derive(Default)]
pub(in crate::serve) struct Selection {
    /// Those whose names match.
    pub(in crate::serve) filter: Option<Regex>,
    /// Those of this kind.
    pub(in crate::serve) kind: Option<Kind>,
    /// Numbers that are not 0, histograms that have values.
    pub(in crate::serve) used_only: bool,
}

impl Selection {
    fn wants(&self, name: &str, kind: Kind, used: bool) -> bool {
        self.filter.as_ref().is_none_or(|filter| filter.is_match(name))
            && self.kind.is_none_or(|wanted| wanted == kind)
            && (used || !self.used_only)
    }
}

/// What was asked for, by name. Numbers of one name and kind are added up.
#[derive(Default)]
pub(in crate::serve) struct Samples {
    numbers: BTreeMap<(String, Kind), u64>,
    histograms: BTreeMap<String, Histogram>,
}

impl Samples {
    pub(super) fn add(&mut self, kind: Kind, name: &str, value: u64) {
        let sum = self.numbers.entry((printable(name), kind)).or_default();
        *sum = sum.wrapping_add(value);
    }

    /// Adds a metric that a plugin has defined.
    pub(super) fn add_custom(&mut self, name: &str, value: MetricValue) {
        let name = format!("{CUSTOM}{name}");
        match value {
            MetricValue::Counter(value) => self.add(Kind::Counter, &name, value),
            MetricValue::Gauge(value) => self.add(Kind::Gauge, &name, value),
            MetricValue::Histogram {
                count,
                sum,
                buckets,
                quantiles,
            } => {
                let histogram = Histogram {
                    count,
                    sum,
                    buckets,
                    quantiles,
                };
                // Of two names that print the same, the first.
                self.histograms.entry(printable(&name)).or_insert(histogram);
            }
            _ => {}
        }
    }

    /// Leaves out what is not asked for.
    pub(super) fn select(&mut self, selection: &Selection) {
        self.numbers
            .retain(|(name, kind), value| selection.wants(name, *kind, *value != 0));
        self.histograms
            .retain(|name, histogram| selection.wants(name, Kind::Histogram, histogram.count > 0));
    }

    pub(super) fn numbers(&self) -> impl Iterator<Item = (&str, Kind, u64)> {
        self.numbers
            .iter()
            .map(|((name, kind), value)| (name.as_str(), *kind, *value))
    }

    pub(super) fn histograms(&self) -> impl Iterator<Item = (&str, &Histogram)> {
        self.histograms
            .iter()
            .map(|(name, histogram)| (name.as_str(), histogram))
    }
}

/// What comes before the names of metrics that plugins define.
pub(super) const CUSTOM: &str = "wasmcustom.";

/// Plugins and configurations give names, which may hold anything, as part of a line.
fn printable(name: &str) -> String {
    name.replace(|c: char| c.is_control(), "_")
}
