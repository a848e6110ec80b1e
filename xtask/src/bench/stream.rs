//! One whole HTTP stream.

use std::fmt::Write as _;

use serde_json::json;

use super::figures::{Figures, RUNTIMES, ratio};
use super::page::number;
use super::part::{Check, Outcome};

/// The plugins, and what a stream through them may take on wasmtime over the host that is written by hand.
const PLUGINS: [(&str, &str, Option<f64>); 3] = [
    ("a plugin that does nothing", "noop", Some(2.0)),
    ("a header filter", "header_filter", Some(1.3)),
    ("a body of 64 KiB, rewritten", "body_rewrite", None),
];

/// Another host on wasmtime, and what enginebay may take over it.
const RIVAL: &str = "proxy-wasm-host";
const RIVAL_BUDGET: f64 = 0.5;

/// What the null runtime may take over the same source, called natively.
const NULL: f64 = 1.5;

pub(super) fn outcome(figures: &Figures) -> Outcome {
    let mut outcome = Outcome {
        text: String::from(
            "| stream through | runtime | by hand, ns | host, ns | ratio | budget |\n\
             | --- | --- | ---: | ---: | ---: | ---: |\n",
        ),
        ..Outcome::default()
    };
    for (what, plugin, floor_budget) in PLUGINS {
        let group = format!("stream_{plugin}");
        for runtime in RUNTIMES {
            // There is a host written by hand on wasmtime, and one in native code: other engines have nothing to be
            // compared with.
            let (by_hand, budget) = match runtime {
                "wasmtime" => (figures.get(&group, "floor"), floor_budget),
                "null" => (figures.get(&group, "native"), Some(NULL)),
                _ => (None, None),
            };
            let host = figures.get(&group, runtime);
            if host.is_none() {
                continue;
            }
            let ratio = ratio(by_hand, host);
            let budget = ratio.and(budget);
            let _ = writeln!(
                outcome.text,
                "| {what} | {runtime} | {} | {} | {} | {} |",
                number(by_hand, 1),
                number(host, 1),
                number(ratio, 2),
                number(budget, 1),
            );
            outcome.rows.push(json!({
                "what": what, "runtime": runtime, "by_hand_ns": by_hand, "host_ns": host, "ratio": ratio,
                "budget": budget,
            }));
            let check = Check::new(format!("stream through {what} on {runtime}"), ratio, budget);
            outcome.checks.extend(check);
        }
    }
    rivals(figures, &mut outcome);
    outcome
}

/// Beside the other host, where it was measured.
fn rivals(figures: &Figures, outcome: &mut Outcome) {
    for (index, (what, plugin, _)) in PLUGINS.into_iter().enumerate() {
        let group = format!("stream_{plugin}");
        let (Some(rival), Some(ours)) = (figures.get(&group, RIVAL), figures.get(&group, "wasmtime")) else {
            continue;
        };
        if index == 0 {
            let _ = writeln!(
                outcome.text,
                "\n| stream through | {RIVAL}, ns | enginebay on wasmtime, ns | ratio | budget |\n\
                 | --- | ---: | ---: | ---: | ---: |"
            );
        }
        let ratio = ours / rival;
        let _ = writeln!(
            outcome.text,
            "| {what} | {rival:.1} | {ours:.1} | {ratio:.2} | {RIVAL_BUDGET} |"
        );
        outcome.rows.push(json!({
            "what": what, "rival": RIVAL, "rival_ns": rival, "host_ns": ours, "ratio": ratio, "budget": RIVAL_BUDGET,
        }));
        let what = format!("stream through {what} over {RIVAL}");
        outcome
            .checks
            .extend(Check::new(what, Some(ratio), Some(RIVAL_BUDGET)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_runtime_is_compared_with_what_there_is() {
        let outcome = outcome(&Figures::of(&[
            ("stream_noop", "floor", 100.0),
            ("stream_noop", "native", 50.0),
            ("stream_noop", "wasmtime", 201.0),
            ("stream_noop", "wasmi", 900.0),
            ("stream_noop", "null", 70.0),
            ("stream_noop", "proxy-wasm-host", 500.0),
        ]));
        for line in [
            "| a plugin that does nothing | wasmtime | 100.0 | 201.0 | 2.01 | 2.0 |",
            "| a plugin that does nothing | wasmi | – | 900.0 | – | – |",
            "| a plugin that does nothing | null | 50.0 | 70.0 | 1.40 | 1.5 |",
            "| a plugin that does nothing | 500.0 | 201.0 | 0.40 | 0.5 |",
        ] {
            assert!(outcome.text.contains(line), "{}", outcome.text);
        }
        let over: Vec<bool> = outcome.checks.iter().map(Check::over_budget).collect();
        assert_eq!(over, [true, false, false]);
    }
}
