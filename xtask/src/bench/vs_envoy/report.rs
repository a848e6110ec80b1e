//! Medians, ratios, tables.

use std::fmt::Write as _;

use anyhow::{Result, bail};
use serde::Serialize;

use super::starts::Starts;
use super::{CASES, Case, Filter, Sample};
use crate::bench::page;

/// Everything that was measured.
pub(super) struct Report {
    client: &'static str,
    envoy: String,
    /// In each round what could be measured in it.
    pub rounds: Vec<Vec<(Case, Sample)>>,
    pub starts: Vec<Starts>,
}

/// Two figures of the same round, one over the other.
#[derive(Debug, Serialize, PartialEq)]
struct Ratio {
    what: &'static str,
    min: f64,
    median: f64,
    max: f64,
    rounds: usize,
    /// What the median may be at most, or where more is better at least.
    budget: Option<f64>,
    more_is_better: bool,
}

impl Ratio {
    fn over_budget(&self) -> bool {
        self.budget.is_some_and(|budget| {
            if self.more_is_better {
                self.median < budget
            } else {
                self.median > budget
            }
        })
    }
}

/// A row: the medians over the rounds.
#[derive(Debug, Serialize)]
struct Row {
    name: String,
    server: &'static str,
    runtime: &'static str,
    filter: Filter,
    rounds: usize,
    cpu_us: f64,
    /// Over the same server without a filter, in the same round.
    added_us: Option<f64>,
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
    resident_kib: f64,
    samples: Vec<Sample>,
}

/// The one in the middle, or the mean of the two.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = *values.get(middle)?;
    Some(if values.len().is_multiple_of(2) {
        f64::midpoint(values[middle - 1], upper)
    } else {
        upper
    })
}

impl Report {
    pub(super) fn new(client: &'static str, envoy: &str) -> Self {
        Report {
            client,
            envoy: envoy.to_owned(),
            rounds: Vec::new(),
            starts: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, case: Case, sample: Sample) {
        if let Some(round) = self.rounds.last_mut() {
            round.push((case, sample));
        }
    }

    fn samples(&self, case: Case) -> Vec<&Sample> {
        let all = self.rounds.iter().flatten();
        all.filter(|(of, _)| *of == case)
            .map(|(_, sample)| sample)
            .collect()
    }

    /// What `f` makes of each round that has what it asks for.
    fn each(&self, f: impl Fn(&Round<'_>) -> Option<f64>) -> Vec<f64> {
        self.rounds.iter().filter_map(|round| f(&Round(round))).collect()
    }

    fn rows(&self) -> Vec<Row> {
        let row = |case: Case| {
            let samples = self.samples(case);
            let of =
                |f: fn(&Sample) -> f64| median(&samples.iter().map(|sample| f(sample)).collect::<Vec<_>>());
            Some(Row {
                name: case.name(),
                server: case.server(),
                runtime: case.runtime,
                filter: case.filter,
                rounds: samples.len(),
                cpu_us: of(|sample| sample.cpu)?,
                added_us: median(&self.each(|round| round.added(case))),
                per_second: of(|sample| sample.seen.per_second)?,
                p50_us: of(|sample| sample.seen.p50)?,
                p99_us: of(|sample| sample.seen.p99)?,
                resident_kib: of(|sample| sample.resident as f64)?,
                samples: samples.into_iter().cloned().collect(),
            })
        };
        CASES.into_iter().filter_map(row).collect()
    }

    fn ratios(&self) -> Vec<Ratio> {
        let ratio = |what, budget, more_is_better, f: &dyn Fn(&Round<'_>) -> Option<f64>| {
            let values = self.each(f);
            Some(Ratio {
                what,
                min: values.iter().copied().min_by(f64::total_cmp)?,
                median: median(&values)?,
                max: values.iter().copied().max_by(f64::total_cmp)?,
                rounds: values.len(),
                budget,
                more_is_better,
            })
        };
        let added = |runtime, filter| {
            move |round: &Round<'_>| {
                Some(round.added(Case::ours(runtime, filter))? / round.added(Case::envoy(filter))?)
            }
        };
        let wasmtime = |filter| Case::ours("wasmtime", filter);
        [
            ratio("CPU per request without a filter", Some(0.55), false, &|round| {
                Some(round.of(wasmtime(Filter::None))?.cpu / round.of(Case::envoy(Filter::None))?.cpu)
            }),
            ratio(
                "CPU per request that noop adds, wasmtime",
                None,
                false,
                &added("wasmtime", Filter::Noop),
            ),
            ratio(
                "CPU per request that one header filter adds, wasmtime",
                Some(0.3),
                false,
                &added("wasmtime", Filter::Header),
            ),
            ratio(
                "CPU per request that four header filters add, wasmtime",
                Some(0.3),
                false,
                &added("wasmtime", Filter::FourHeaders),
            ),
            ratio(
                "CPU per request that one header filter adds, null",
                Some(0.12),
                false,
                &added("null", Filter::Header),
            ),
            ratio(
                "CPU per request that four header filters add, null",
                Some(0.12),
                false,
                &added("null", Filter::FourHeaders),
            ),
            ratio(
                "requests/s with one header filter, wasmtime",
                Some(2.0),
                true,
                &|round| {
                    let ours = round.of(wasmtime(Filter::Header))?;
                    Some(ours.seen.per_second / round.of(Case::envoy(Filter::Header))?.seen.per_second)
                },
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    /// The tables.
    pub(super) fn text(&self) -> String {
        let mut text = format!(
            "{}\nEnvoy {}; CPU under the client of xtask, the rest under {}; {} rounds.\n\n\
             | server | CPU per request, µs | added by the filters, µs | requests/s | p50, µs | p99, µs | RSS, MiB |\n\
             | --- | ---: | ---: | ---: | ---: | ---: | ---: |\n",
            page::machine(),
            self.envoy,
            self.client,
            self.rounds.len()
        );
        for row in self.rows() {
            let _ = writeln!(
                text,
                "| {} | {:.2} | {} | {:.0} | {:.0} | {:.0} | {:.1} |",
                row.name,
                row.cpu_us,
                page::number(row.added_us, 2),
                row.per_second,
                row.p50_us,
                row.p99_us,
                row.resident_kib / 1024.0
            );
        }
        text.push_str(
            "\n| enginebay over Envoy | lowest | median | highest | budget |\n| --- | ---: | ---: | ---: | ---: |\n",
        );
        for ratio in self.ratios() {
            let _ = writeln!(
                text,
                "| {} | {:.2} | {:.2} | {:.2} | {} |",
                ratio.what,
                ratio.min,
                ratio.median,
                ratio.max,
                ratio.budget.map_or("–".to_owned(), |budget| {
                    format!("{} {budget}", if ratio.more_is_better { "≥" } else { "≤" })
                })
            );
        }
        if !self.starts.is_empty() {
            text.push_str(
                "\n| start to first answer, plugin | server | lowest, ms | median, ms | budget, ms |\n\
                 | --- | --- | ---: | ---: | ---: |\n",
            );
        }
        for starts in &self.starts {
            let _ = writeln!(
                text,
                "| {} | {} | {} | {} | {} |",
                starts.plugin,
                starts.server,
                page::number(starts.ms.iter().copied().min_by(f64::total_cmp), 0),
                page::number(starts.median(), 0),
                page::number(starts.budget, 0)
            );
        }
        text
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "machine": page::machine(),
            "envoy": self.envoy,
            "client": self.client,
            "rounds": self.rounds.len(),
            "rows": self.rows(),
            "ratios": self.ratios(),
            "starts": self.starts,
        })
    }

    /// Fails when something is over its budget, or was not measured in most rounds.
    pub(super) fn check(&self) -> Result<()> {
        let mut wrong: Vec<String> = self
            .ratios()
            .iter()
            .filter(|ratio| ratio.over_budget())
            .map(|ratio| {
                let budget = ratio.budget.unwrap_or_default();
                format!("{}: {:.2}, budget {budget}", ratio.what, ratio.median)
            })
            .collect();
        wrong.extend(
            self.starts
                .iter()
                .filter(|starts| starts.over_budget())
                .map(|starts| format!("start of {} with a plugin of {}", starts.server, starts.plugin)),
        );
        if !wrong.is_empty() {
            bail!("over budget: {}", wrong.join("; "));
        }
        let seldom: Vec<String> = self
            .rows()
            .into_iter()
            .filter(|row| row.rounds * 2 < self.rounds.len())
            .map(|row| row.name)
            .collect();
        if !seldom.is_empty() {
            bail!("the machine is too busy to measure {}", seldom.join("; "));
        }
        Ok(())
    }
}

/// What was measured in one round.
struct Round<'a>(&'a [(Case, Sample)]);

impl Round<'_> {
    fn of(&self, case: Case) -> Option<&Sample> {
        self.0
            .iter()
            .find(|(of, _)| *of == case)
            .map(|(_, sample)| sample)
    }

    /// What the filters of a case cost.
    fn added(&self, case: Case) -> Option<f64> {
        if case.filter == Filter::None {
            return None;
        }
        let none = if case.envoy {
            Case::envoy(Filter::None)
        } else {
            Case::ours("wasmtime", Filter::None)
        };
        Some(self.of(case)?.cpu - self.of(none)?.cpu)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::vs_envoy::load::Seen;

    fn sample(cpu: f64, per_second: f64) -> Sample {
        Sample {
            cpu,
            seen: Seen {
                requests: 1,
                failures: 0,
                per_second,
                p50: 1.0,
                p99: 2.0,
            },
            resident: 2048,
            others: 0.0,
        }
    }

    fn report() -> Report {
        let mut report = Report::new("wrk", "1.40.0");
        for (envoy, ours) in [(20.0, 8.0), (19.0, 7.5), (22.0, 9.0)] {
            report.rounds.push(Vec::new());
            report.add(Case::envoy(Filter::None), sample(15.0, 60e3));
            report.add(Case::ours("wasmtime", Filter::None), sample(7.0, 130e3));
            report.add(Case::envoy(Filter::Header), sample(envoy, 50e3));
            report.add(Case::ours("wasmtime", Filter::Header), sample(ours, 120e3));
        }
        report
    }

    #[test]
    fn ratios_are_of_the_same_round() {
        let ratios = report().ratios();
        let of = |start: &str| ratios.iter().find(|ratio| ratio.what.starts_with(start)).unwrap();
        let added = of("CPU per request that one header filter adds, wasmtime");
        assert_eq!((added.min, added.median, added.max), (0.125, 0.2, 2.0 / 7.0));
        assert!(!added.over_budget());
        assert_eq!(of("requests/s").median, 2.4);
        // What was not measured has no ratio.
        assert!(!ratios.iter().any(|ratio| ratio.what.contains("four")));
        report().check().unwrap();
    }

    #[test]
    fn what_is_over_budget_or_seldom_measured_fails() {
        let mut slow = report();
        for round in &mut slow.rounds {
            round[3].1.cpu = 12.0;
        }
        let error = slow.check().unwrap_err().to_string();
        assert!(error.contains("one header filter adds, wasmtime"), "{error}");
        let mut fewer = report();
        fewer.rounds.push(Vec::new());
        fewer.rounds.push(Vec::new());
        fewer.rounds.push(Vec::new());
        fewer.rounds.push(Vec::new());
        let error = fewer.check().unwrap_err().to_string();
        assert!(error.contains("too busy"), "{error}");
    }

    #[test]
    fn tables_have_medians() {
        let text = report().text();
        assert!(
            text.contains("| enginebay wasmtime, header filter | 8.00 | 1.00 | 120000 | 1 | 2 | 2.0 |"),
            "{text}"
        );
        assert!(
            text.contains("| requests/s with one header filter, wasmtime | 2.40 | 2.40 | 2.40 | ≥ 2 |"),
            "{text}"
        );
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(&[4.0, 1.0]), Some(2.5));
        assert_eq!(median(&[]), None);
    }
}
