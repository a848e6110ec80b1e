//! One call across the boundary, each way.

use std::fmt::Write as _;

use serde_json::json;

use super::figures::{Figures, RUNTIMES, ratio};
use super::page::number;
use super::part::{Check, Outcome};

/// How often the guest calls the host in one measured iteration.
pub(super) const REPEAT: f64 = 1000.0;

/// What is asked of runtimes other than that of native code, where there is nothing but the boundary.
fn budget(runtime: &str, budget: f64) -> Option<f64> {
    (runtime != "null").then_some(budget)
}

pub(super) fn outcome(figures: &Figures) -> Outcome {
    let mut outcome = Outcome {
        text: String::from(
            "| what | runtime | bare, ns | boundary, ns | host, ns | ratio | budget |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
        ),
        ..Outcome::default()
    };
    for runtime in RUNTIMES {
        let host_call = if runtime == "wamr" { 1.3 } else { 1.5 };
        for (what, group, per, budget) in [
            (
                "host function that moves no bytes",
                "host_call",
                REPEAT,
                budget(runtime, host_call),
            ),
            ("callback", "callback", 1.0, budget(runtime, 2.0)),
            (
                "host function that copies 64 bytes each way",
                "copy",
                REPEAT,
                None,
            ),
        ] {
            let ns = |function| Some(figures.get(&format!("{group}_{runtime}"), function)? / per);
            let (bare, boundary, host) = (ns("bare"), ns("boundary"), ns("host"));
            if bare.is_none() {
                continue;
            }
            let ratio = ratio(bare, host.or(boundary));
            let _ = writeln!(
                outcome.text,
                "| {what} | {runtime} | {} | {} | {} | {} | {} |",
                number(bare, 1),
                number(boundary, 1),
                number(host, 1),
                number(ratio, 2),
                number(budget, 1),
            );
            outcome.rows.push(json!({
                "what": what, "runtime": runtime, "bare_ns": bare, "boundary_ns": boundary, "host_ns": host,
                "ratio": ratio, "budget": budget,
            }));
            outcome
                .checks
                .extend(Check::new(format!("{what} on {runtime}"), ratio, budget));
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_compared_with_their_budgets() {
        let outcome = outcome(&Figures::of(&[
            ("host_call_wasmtime", "bare", 8000.0),
            ("host_call_wasmtime", "boundary", 9000.0),
            ("host_call_wasmtime", "host", 12_800.0),
            ("callback_wasmtime", "bare", 10.0),
            ("callback_wasmtime", "host", 15.0),
            ("host_call_wamr", "bare", 10_000.0),
            ("host_call_wamr", "host", 14_000.0),
            ("host_call_null", "bare", 1000.0),
            ("host_call_null", "host", 14_000.0),
        ]));
        let over: Vec<&str> = outcome
            .checks
            .iter()
            .filter(|check| check.over_budget())
            .map(|check| check.what.as_str())
            .collect();
        assert_eq!(
            over,
            [
                "host function that moves no bytes on wasmtime",
                "host function that moves no bytes on wamr"
            ]
        );
        let line = "| callback | wasmtime | 10.0 | – | 15.0 | 1.50 | 2.0 |";
        assert!(outcome.text.contains(line), "{}", outcome.text);
    }
}
