//! Loading code, new VMs, and their memory.

use std::fmt::Write as _;

use serde_json::json;

use super::figures::{Figures, RUNTIMES, ratio};
use super::page::number;
use super::part::{Check, Outcome};

/// What warm loads may take over cold ones, a new VM in microseconds, and its memory in KiB: asked of wasmtime.
const WARM: f64 = 0.1;
const NEW: f64 = 35.0;
const MEMORY: f64 = 256.0;

pub(super) fn outcome(figures: &Figures) -> Outcome {
    let mut outcome = Outcome {
        text: String::from(
            "| module | runtime | cold load, ms | warm load, ms | ratio | new VM, µs | memory of each VM, KiB |\n\
             | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
        ),
        ..Outcome::default()
    };
    for (size, shown) in [("small", "146 KB"), ("large", "1.3 MB")] {
        for runtime in RUNTIMES {
            let get = |function, per| Some(figures.get(&format!("life_{size}_{runtime}"), function)? / per);
            let (cold, warm) = (get("cold", 1e6), get("warm", 1e6));
            let (vm, memory) = (get("vm", 1e3), get("memory", 1024.0));
            if vm.is_none() {
                continue;
            }
            let shown = if runtime == "null" { "native" } else { shown };
            let ratio = ratio(cold, warm);
            let _ = writeln!(
                outcome.text,
                "| {shown} | {runtime} | {} | {} | {} | {} | {} |",
                number(cold, 2),
                number(warm, 2),
                number(ratio, 3),
                number(vm, 1),
                number(memory, 0),
            );
            outcome.rows.push(json!({
                "module": size, "runtime": runtime, "cold_ms": cold, "warm_ms": warm, "ratio": ratio, "vm_us": vm,
                "memory_kib": memory,
            }));
            if runtime == "wasmtime" {
                for (what, value, budget) in [
                    ("warm load over cold load", ratio, WARM),
                    ("new VM, µs", vm, NEW),
                    ("memory of a VM, KiB", memory, MEMORY),
                ] {
                    let what = format!("{what}, module of {shown}, on {runtime}");
                    outcome.checks.extend(Check::new(what, value, Some(budget)));
                }
            }
        }
    }
    let _ = writeln!(
        outcome.text,
        "\nBudgets, on wasmtime: a warm load {WARM} × a cold one, a new VM {NEW} µs, its memory {MEMORY} KiB."
    );
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_over_its_budget_is_told_on_wasmtime() {
        let outcome = outcome(&Figures::of(&[
            ("life_large_wasmtime", "cold", 30e6),
            ("life_large_wasmtime", "warm", 6e6),
            ("life_large_wasmtime", "vm", 20e3),
            ("life_large_wasmtime", "memory", 300.0 * 1024.0),
            ("life_large_wasmi", "cold", 30e6),
            ("life_large_wasmi", "vm", 90e3),
        ]));
        let over: Vec<bool> = outcome.checks.iter().map(Check::over_budget).collect();
        assert_eq!(over, [true, false, true]);
        for line in [
            "| 1.3 MB | wasmtime | 30.00 | 6.00 | 0.200 | 20.0 | 300 |",
            "| 1.3 MB | wasmi | 30.00 | – | – | 90.0 | – |",
        ] {
            assert!(outcome.text.contains(line), "{}", outcome.text);
        }
    }
}
