//! How costs grow.

use std::fmt::Write as _;

use serde_json::json;

use super::figures::Figures;
use super::page::number;
use super::part::{Check, Outcome};
use super::sizes::{BODIES, FILTERS, OPEN};

/// What each of the most may cost over each of the fewest.
const BUDGET: f64 = 1.3;

/// A cost by size.
struct Growth {
    what: &'static str,
    unit: &'static str,
    costs: Vec<(usize, f64)>,
    budget: Option<f64>,
}

impl Growth {
    /// The cost at the largest size over that at the smallest.
    fn ratio(&self) -> Option<f64> {
        let [(_, first), .., (_, last)] = self.costs[..] else {
            return None;
        };
        Some(last / first)
    }
}

fn growths(figures: &Figures) -> [Growth; 3] {
    let get = |group, size: usize| figures.get(group, &size.to_string());
    let none = get("scale_chain", 0);
    let filters = FILTERS.into_iter().filter(|count| *count > 0);
    let filter = |count: usize| Some((count, (get("scale_chain", count)? - none?) / count as f64));
    let kib = |size: usize| Some((size >> 10, get("scale_body", size)? / (size >> 10) as f64));
    [
        Growth {
            what: "filters in a chain",
            unit: "ns for each filter",
            costs: filters.filter_map(filter).collect(),
            budget: Some(BUDGET),
        },
        Growth {
            what: "streams open at once",
            unit: "ns for each stream",
            costs: OPEN
                .into_iter()
                .filter_map(|count| Some((count, get("scale_open", count)?)))
                .collect(),
            budget: Some(BUDGET),
        },
        Growth {
            what: "KiB of a body",
            unit: "ns for each KiB",
            costs: BODIES.into_iter().filter_map(kib).collect(),
            // Small ones have the cost of a stream in them, and large ones don't fit a cache.
            budget: None,
        },
    ]
}

pub(super) fn outcome(figures: &Figures) -> Outcome {
    let mut outcome = Outcome {
        text: String::from("| how many | cost | growth | budget |\n| --- | --- | ---: | ---: |\n"),
        ..Outcome::default()
    };
    for growth in growths(figures) {
        let Growth {
            what,
            unit,
            costs,
            budget,
        } = &growth;
        let ratio = growth.ratio();
        let sizes: Vec<String> = costs.iter().map(|(size, _)| size.to_string()).collect();
        let shown: Vec<String> = costs.iter().map(|(_, cost)| format!("{cost:.0}")).collect();
        let _ = writeln!(
            outcome.text,
            "| {what}: {} | {} {unit} | {} | {} |",
            sizes.join(", "),
            shown.join(", "),
            number(ratio, 2),
            number(*budget, 1),
        );
        outcome.rows.push(json!({
            "what": what, "unit": unit, "costs": costs, "growth": ratio, "budget": budget,
        }));
        outcome
            .checks
            .extend(Check::new(format!("growth with {what}"), ratio, *budget));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_the_cost_of_each() {
        let outcome = outcome(&Figures::of(&[
            ("scale_chain", "0", 100.0),
            ("scale_chain", "1", 200.0),
            ("scale_chain", "64", 100.0 + 64.0 * 120.0),
            ("scale_open", "1", 100.0),
            ("scale_open", "10000", 140.0),
        ]));
        let line = "| filters in a chain: 1, 64 | 100, 120 ns for each filter | 1.20 | 1.3 |";
        assert!(outcome.text.contains(line), "{}", outcome.text);
        let over: Vec<bool> = outcome.checks.iter().map(Check::over_budget).collect();
        assert_eq!(over, [false, true]);
    }
}
