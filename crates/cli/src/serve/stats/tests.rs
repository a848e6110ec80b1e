//! What `/stats` says, in each of its formats.

use enginebay::engine::Registry;
use enginebay::host::{Metric, MetricValue, Shared, SharedLimits};
use http::StatusCode;
use regex::Regex;

use super::samples::Kind;
use super::{Samples, Selection, Stats};

#[path = "../../../tests/common/prometheus.rs"]
mod prometheus;

fn stats() -> Stats {
    Stats::new(&Registry::empty(), 2, Shared::new(SharedLimits::default()))
}

fn only(filter: &str) -> Selection {
    Selection {
        filter: Some(Regex::new(filter).unwrap()),
        ..Selection::default()
    }
}

/// One of everything, names that mean trouble among them.
fn samples() -> Samples {
    let mut samples = Samples::default();
    samples.add(Kind::Counter, "http.in.gress-x.downstream_rq_2xx", 3);
    samples.add(Kind::Counter, "http.in.gress-x.downstream_rq_5xx", 1);
    samples.add(Kind::Counter, "http.q\"\\.downstream_rq_total", 4);
    samples.add(Kind::Gauge, "tcp.raw.downstream_cx_active", 0);
    samples.add(Kind::Counter, "wasm.a b.crashes", 2);
    samples.add_custom("hits", MetricValue::Counter(7));
    samples.add_custom("hits", MetricValue::Gauge(8));
    samples.add_custom("a.b", MetricValue::Counter(1));
    samples.add_custom("a-b", MetricValue::Counter(2));
    samples.add_custom("9lives", MetricValue::Counter(9));
    samples.add_custom("two\nlines", MetricValue::Counter(1));
    samples.add_custom("size_count", MetricValue::Counter(1));
    samples
}

#[test]
fn a_listener_that_takes_anothers_place_goes_on_counting() {
    let stats = stats();
    let first = stats.listener(false, "in");
    first.worker(0).rq_total.raise();
    first.worker(1).answered(StatusCode::OK);
    assert!(first.admit(1));
    drop(first);
    let second = stats.listener(false, "in");
    second.worker(0).rq_total.raise();
    assert!(second.admit(1), "the limit is the listener's own");
    assert!(!second.admit(1));
    second.leave();
    assert!(second.admit(1));
    let text = stats.samples(&only("^http")).text();
    assert!(text.contains("http.in.downstream_rq_total: 2\n"), "{text}");
    assert!(text.contains("http.in.downstream_rq_2xx: 1\n"), "{text}");
    // One for TCP with the same prefix has other numbers.
    stats.listener(true, "in");
    let text = stats.samples(&only("^tcp.*rx")).text();
    assert_eq!(text, "tcp.in.downstream_cx_rx_bytes_total: 0\n");
}

#[test]
fn remote_code_is_counted_under_envoys_names() {
    let stats = stats();
    let codes = stats.codes();
    codes.event(enginebay_code::Event::CacheMiss);
    codes.entries(3);
    assert_eq!(
        stats.samples(&only("remote_load")).text(),
        "wasm.remote_load_cache_entries: 3\n\
         wasm.remote_load_cache_hits: 0\n\
         wasm.remote_load_cache_misses: 1\n\
         wasm.remote_load_cache_negative_hits: 0\n\
         wasm.remote_load_fetch_failures: 0\n\
         wasm.remote_load_fetch_successes: 0\n"
    );
}

#[test]
fn a_selection_has_what_was_asked_for() {
    let select = |selection: Selection| {
        let mut samples = samples();
        samples.select(&selection);
        samples.text()
    };
    let gauges = Selection {
        kind: Some(Kind::Gauge),
        ..Selection::default()
    };
    assert_eq!(
        select(gauges),
        "tcp.raw.downstream_cx_active: 0\nwasmcustom.hits: 8\n"
    );
    let used = Selection {
        used_only: true,
        ..only("^tcp|crashes$")
    };
    assert_eq!(select(used), "wasm.a b.crashes: 2\n");
    assert_eq!(select(only("two")), "wasmcustom.two_lines: 1\n");
}

#[test]
fn json_has_the_histograms_last() {
    let mut samples = Samples::default();
    samples.add(Kind::Gauge, "server.live", 1);
    assert_eq!(samples.json(), r#"{"stats":[{"name":"server.live","value":1}]}"#);
    samples.add_custom("size", histogram());
    let value: serde_json::Value = serde_json::from_str(&samples.json()).unwrap();
    let histograms = &value["stats"][1]["histograms"];
    assert_eq!(
        histograms["supported_quantiles"].to_string(),
        "[0,25,50,75,90,95,99,99.5,99.9,100]"
    );
    let computed = &histograms["computed_quantiles"][0];
    assert_eq!(computed["name"], "wasmcustom.size");
    assert_eq!(
        computed["values"][0].to_string(),
        r#"{"cumulative":1.05,"interval":null}"#
    );
    assert_eq!(computed["values"].as_array().map(Vec::len), Some(10));
}

fn histogram() -> MetricValue {
    let mut buckets = vec![1; Metric::BUCKETS.len()];
    buckets[0] = 0;
    MetricValue::Histogram {
        count: 1,
        sum: 1,
        buckets,
        quantiles: vec![1.05; Metric::QUANTILES.len()],
    }
}

#[test]
fn prometheus_reads_what_is_written() {
    let mut samples = samples();
    samples.add_custom("size", histogram());
    samples.add_custom("other_size", histogram());
    let text = samples.prometheus();
    let read = prometheus::read(&text);
    let value = |line: &str| *read.get(line).unwrap_or_else(|| panic!("no {line} in\n{text}"));
    let class = r#"envoy_response_code_class="5",envoy_http_conn_manager_prefix="in""#;
    assert_eq!(
        value(&format!("envoy_http_gress_x_downstream_rq_xx{{{class}}}")),
        1.0
    );
    let quoted = r#"envoy_http_downstream_rq_total{envoy_http_conn_manager_prefix="q\"\\"}"#;
    assert_eq!(value(quoted), 4.0);
    assert_eq!(
        value(r#"envoy_tcp_downstream_cx_active{envoy_tcp_prefix="raw"}"#),
        0.0
    );
    assert_eq!(value("envoy_wasm_a_b_crashes{}"), 2.0);
    // Of two of one name, the counter; of two names that are written the same, the first.
    assert_eq!(value("hits{}"), 7.0);
    assert_eq!(value("a_b{}"), 2.0);
    assert!(!text.contains("9lives"));
    // A histogram may not have lines that another metric has.
    assert_eq!(value("size_count{}"), 1.0);
    assert!(!text.contains("# TYPE size histogram"), "{text}");
    assert_eq!(value(r#"other_size_bucket{le="0.5"}"#), 0.0);
    assert_eq!(value(r#"other_size_bucket{le="1"}"#), 1.0);
    assert_eq!(value(r#"other_size_bucket{le="3600000"}"#), 1.0);
    assert_eq!(value(r#"other_size_bucket{le="+Inf"}"#), 1.0);
    assert_eq!(
        (value("other_size_sum{}"), value("other_size_count{}")),
        (1.0, 1.0)
    );
}
