//! `/stats/prometheus`: the text format of Prometheus, with Envoy's names and labels.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use enginebay::host::Metric;

use super::samples::{CUSTOM, Histogram, Kind, Samples};

impl Samples {
    /// First the counters, then the gauges, then the histograms. What can't be said is left out: a name that begins with a digit,
    /// and one that is there already once it is written as Prometheus wants it.
    pub(in crate::serve) fn prometheus(&self) -> String {
        let mut page = Page::default();
        for wanted in [Kind::Counter, Kind::Gauge] {
            let mut families: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
            for (name, _, value) in self.numbers().filter(|(_, kind, _)| *kind == wanted) {
                let (name, labels) = labelled(name);
                if let Some(name) = metric_name(&name) {
                    // Of what is now the same, the first.
                    let family = families.entry(name).or_default();
                    family.entry(labels).or_insert(value);
                }
            }
            for (name, values) in families {
                if page.begin(&name, wanted, &[""]) {
                    for (labels, value) in values {
                        let _ = writeln!(page.text, "{name}{{{labels}}} {value}");
                    }
                }
            }
        }
        for (name, histogram) in self.histograms() {
            if let Some(name) = metric_name(name)
                && page.begin(&name, Kind::Histogram, &["", "_bucket", "_sum", "_count"])
            {
                page.histogram(&name, histogram);
            }
        }
        page.text
    }
}

#[derive(Default)]
struct Page {
    text: String,
    taken: HashSet<String>,
}

impl Page {
    /// Begins a metric, unless a name of its lines is taken.
    fn begin(&mut self, name: &str, kind: Kind, endings: &[&str]) -> bool {
        let names = endings.iter().map(|ending| format!("{name}{ending}"));
        let names: Vec<String> = names.collect();
        let free = names.iter().all(|name| !self.taken.contains(name));
        if free {
            self.taken.extend(names);
            let _ = writeln!(self.text, "# TYPE {name} {}", kind.name());
        }
        free
    }

    fn histogram(&mut self, name: &str, histogram: &Histogram) {
        // Other threads are recording: no bucket may have more than there are.
        let last = histogram.buckets.last().copied().unwrap_or_default();
        let count = histogram.count.max(last);
        for (bound, value) in Metric::BUCKETS.iter().zip(&histogram.buckets) {
            let _ = writeln!(self.text, "{name}_bucket{{le=\"{bound}\"}} {value}");
        }
        let _ = writeln!(self.text, "{name}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(self.text, "{name}_sum{{}} {}", histogram.sum);
        let _ = writeln!(self.text, "{name}_count{{}} {count}");
    }
}

/// Takes the parts out of a name that are labels on Envoy: of a `stat_prefix`, what is before its first dot.
fn labelled(name: &str) -> (String, String) {
    let mut labels = String::new();
    let mut rest = name.to_owned();
    if name.starts_with(CUSTOM) {
        return (rest, labels);
    }
    let class = rest
        .strip_suffix("xx")
        .and_then(|name| name.split_at_checked(name.len().checked_sub(1)?));
    if let Some((name, class)) = class
        && name.ends_with("_rq_")
    {
        labels = format!("envoy_response_code_class=\"{class}\"");
        rest = format!("{name}xx");
    }
    let prefixes = [
        ("http", "envoy_http_conn_manager_prefix"),
        ("tcp", "envoy_tcp_prefix"),
    ];
    for (scope, label) in prefixes {
        let parts = rest.strip_prefix(scope).and_then(|rest| rest.strip_prefix('.'));
        if let Some((prefix, name)) = parts.and_then(|parts| parts.split_once('.')) {
            if !labels.is_empty() {
                labels.push(',');
            }
            let prefix = prefix.replace('\\', r"\\").replace('"', "\\\"");
            let _ = write!(labels, "{label}=\"{prefix}\"");
            return (format!("{scope}.{name}"), labels);
        }
    }
    (rest, labels)
}

/// The name for Prometheus. On Envoy a plugin's own metrics have no prefix there.
fn metric_name(name: &str) -> Option<String> {
    let custom = name.strip_prefix(CUSTOM);
    let allowed = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => char::from(byte),
        _ => '_',
    };
    let sane: String = custom.unwrap_or(name).bytes().map(allowed).collect();
    match custom {
        Some(_) => (!sane.starts_with(|c: char| c.is_ascii_digit()) && !sane.is_empty()).then_some(sane),
        None => Some(format!("envoy_{sane}")),
    }
}
