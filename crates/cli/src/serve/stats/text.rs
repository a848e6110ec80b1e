//! `/stats` as text and as JSON.

use std::fmt::Write as _;

use enginebay::host::Metric;
use serde_json::{Value, json};

use super::histogram;
use super::samples::{Histogram, Samples};

impl Samples {
    /// `name: value` lines: first the numbers, then the histograms, each sorted by name.
    pub(in crate::serve) fn text(&self) -> String {
        let mut text = String::new();
        for (name, _, value) in self.numbers() {
            let _ = writeln!(text, "{name}: {value}");
        }
        for (name, histogram) in self.histograms() {
            let _ = writeln!(text, "{name}: {}", histogram::summary(&histogram.quantiles));
        }
        text
    }

    /// As Envoy's: the histograms are the last thing in the list of numbers.
    pub(in crate::serve) fn json(&self) -> String {
        let numbers = self.numbers();
        let mut stats: Vec<Value> = numbers
            .map(|(name, _, value)| json!({"name": name, "value": value}))
            .collect();
        let histograms: Vec<Value> = self
            .histograms()
            .map(|(name, histogram)| json!({"name": name, "values": values(histogram)}))
            .collect();
        if !histograms.is_empty() {
            let quantiles = Metric::QUANTILES.map(|share| number(share * 100.0));
            stats.push(json!({"histograms": {
                "supported_quantiles": quantiles,
                "computed_quantiles": histograms,
            }}));
        }
        json!({"stats": stats}).to_string()
    }
}

/// For each quantile. Intervals are not kept: Envoy has the same when nothing came in the last one.
fn values(histogram: &Histogram) -> Vec<Value> {
    let all = 0..Metric::QUANTILES.len();
    let cumulative = all.map(|at| histogram.quantiles.get(at).copied().map_or(Value::Null, number));
    cumulative
        .map(|cumulative| json!({"cumulative": cumulative, "interval": null}))
        .collect()
}

/// 99.5, but 100 without a point.
fn number(value: f64) -> Value {
    if value.fract() == 0.0 && (0.0..1e15).contains(&value) {
        return (value as u64).into();
    }
    value.into()
}
