//! `cargo xtask bench`: what enginebay costs over the engines it runs on, as ratios measured in one run.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Serialize;

use crate::{needs, process, workspace};

mod page;
pub mod sizes;
pub mod vs_envoy;

use page::number;

/// The places in docs/performance.md that are written.
#[cfg(test)]
const MARKS: [&str; 2] = ["bench", "vs-envoy"];

/// Run the benchmarks and print ratios: the same guests on a bare engine, through the engine boundary, and through
/// the whole host. Each figure is the lowest of the rounds' medians. Exits with 1 when a ratio is over its budget. What
/// the runtimes' builds need beyond Rust and a C compiler is installed first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Write the table into docs/performance.md.
    #[arg(long)]
    write: bool,
    /// How often to run everything: what else the machine does comes and goes, and the lowest figure has the least of
    /// it [default: 3, and 5 with --vs-envoy].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: Option<u32>,
    /// Print the results of the last round instead of running.
    #[arg(long)]
    last: bool,
    /// Also write the results as JSON to this file.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Measure the server beside Envoy instead: processor time per request, requests per second, memory, time to ready.
    #[arg(long, conflicts_with = "last")]
    vs_envoy: bool,
    #[command(flatten)]
    envoy: vs_envoy::Args,
}

/// How often the guest calls the host in one measured iteration of `host_call` and `copy`.
const REPEAT: f64 = 1000.0;

/// One thing that is measured: on its own, and through enginebay.
#[derive(Debug, Serialize)]
struct Row {
    what: &'static str,
    runtime: &'static str,
    /// Nanoseconds without enginebay.
    bare_ns: Option<f64>,
    /// Nanoseconds through the engine boundary alone, where that is measured.
    boundary_ns: Option<f64>,
    /// Nanoseconds through the whole host, where that is measured.
    host_ns: Option<f64>,
    /// The last of these over the first.
    ratio: Option<f64>,
    /// What the ratio may be at most.
    budget: Option<f64>,
}

impl Row {
    fn over_budget(&self) -> bool {
        matches!((self.ratio, self.budget), (Some(ratio), Some(budget)) if ratio > budget)
    }
}

/// Runs the benchmarks.
///
/// # Errors
///
/// What the builds need is missing and can't be installed, a benchmark cannot be run or left no result, or a ratio is
/// over its budget.
pub fn run(args: &Args) -> Result<()> {
    if args.vs_envoy {
        return vs_envoy::run(
            &args.envoy,
            args.rounds.unwrap_or(5),
            args.json.as_deref(),
            args.write,
        );
    }
    let results = workspace::target_dir().join("criterion");
    let variables = if args.last {
        Vec::new()
    } else {
        needs::variables()?
    };
    let mut figures = Figures::default();
    for _ in 0..if args.last { 1 } else { args.rounds.unwrap_or(3) } {
        if !args.last {
            process::run(
                Command::new(process::cargo())
                    .args(["bench", "--package", "enginebay-bench", "--all-features"])
                    .envs(variables.iter().map(|(name, value)| (name, value)))
                    .env("CRITERION_HOME", &results)
                    .current_dir(workspace::root()),
            )?;
        }
        figures.read(&results)?;
    }
    let rows = rows(&figures);
    let tables = tables(&rows);
    println!("\n{tables}");
    if let Some(file) = &args.json {
        page::write_json(file, &rows)?;
    }
    if args.write {
        page::replace("bench", &format!("{}\n\n{tables}", page::machine()))?;
    }
    let over: Vec<String> = rows
        .iter()
        .filter(|row| row.over_budget())
        .map(|row| format!("{} on {}", row.what, row.runtime))
        .collect();
    if !over.is_empty() {
        bail!("over budget: {}", over.join(", "));
    }
    Ok(())
}

/// The lowest median of each benchmark, in nanoseconds, by group and function.
#[derive(Default)]
struct Figures(BTreeMap<(String, String), f64>);

impl Figures {
    /// Takes in criterion's results of one round.
    fn read(&mut self, results: &Path) -> Result<()> {
        let groups = std::fs::read_dir(results).with_context(|| {
            format!(
                "there are no results in {}: run without --last",
                results.display()
            )
        })?;
        for group in groups {
            let group = group?;
            if !group.file_type()?.is_dir() {
                continue;
            }
            for function in std::fs::read_dir(group.path())? {
                let function = function?;
                let file = function.path().join("new").join("estimates.json");
                let Ok(text) = std::fs::read_to_string(&file) else {
                    continue;
                };
                let estimates: serde_json::Value =
                    serde_json::from_str(&text).with_context(|| format!("cannot read {}", file.display()))?;
                let median = estimates["median"]["point_estimate"]
                    .as_f64()
                    .with_context(|| format!("{} has no median", file.display()))?;
                let name = |entry: &DirEntry| entry.file_name().to_string_lossy().into_owned();
                let lowest = self.0.entry((name(&group), name(&function))).or_insert(median);
                *lowest = lowest.min(median);
            }
        }
        Ok(())
    }

    fn get(&self, group: &str, function: &str) -> Option<f64> {
        self.0.get(&(group.to_owned(), function.to_owned())).copied()
    }

    /// The runtimes that there are figures for.
    fn runtimes(&self) -> impl Iterator<Item = &'static str> {
        RUNTIMES.into_iter().filter(|runtime| {
            self.0
                .contains_key(&(format!("callback_{runtime}"), "bare".to_owned()))
        })
    }
}

/// All runtimes, in the order of the table: those that compile, those that interpret, native code.
const RUNTIMES: [&str; 5] = ["wasmtime", "wasmer", "wasmi", "wamr", "null"];

/// What is asked of runtimes other than that of native code, where there is nothing but the boundary.
fn budget(runtime: &str, budget: f64) -> Option<f64> {
    (runtime != "null").then_some(budget)
}

/// Loads are in a table of their own: they take milliseconds.
const LOAD: &str = "load";

fn rows(figures: &Figures) -> Vec<Row> {
    let mut rows = calls(figures);
    rows.extend(streams(figures));
    rows.extend(loads(figures));
    rows
}

fn calls(figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    for runtime in figures.runtimes() {
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
            let (bare_ns, boundary_ns, host_ns) = (ns("bare"), ns("boundary"), ns("host"));
            rows.push(Row {
                what,
                runtime,
                bare_ns,
                boundary_ns,
                host_ns,
                ratio: ratio(bare_ns, host_ns.or(boundary_ns)),
                budget,
            });
        }
    }
    rows
}

fn streams(figures: &Figures) -> Vec<Row> {
    let mut rows = Vec::new();
    for (what, group, budget) in [
        ("stream through a plugin that does nothing", "stream_noop", 3.0),
        ("stream through a header filter", "stream_header_filter", 1.6),
    ] {
        for runtime in figures.runtimes() {
            // The host written by hand is one on wasmtime: other engines have nothing to be compared with.
            let bare_ns = figures.get(group, "floor").filter(|_| runtime == "wasmtime");
            let host_ns = figures.get(group, runtime);
            rows.push(Row {
                what,
                runtime,
                bare_ns,
                boundary_ns: None,
                host_ns,
                ratio: ratio(bare_ns, host_ns),
                budget: bare_ns.map(|_| budget),
            });
        }
    }
    rows
}

/// Compiled by the engine as the first column, from code that was compiled ahead as the last.
fn loads(figures: &Figures) -> Vec<Row> {
    let row = |runtime| {
        let group = format!("load_{runtime}");
        let bare_ns = Some(figures.get(&group, "compile")?);
        let host_ns = figures.get(&group, "precompiled");
        Some(Row {
            what: LOAD,
            runtime,
            bare_ns,
            boundary_ns: None,
            host_ns,
            ratio: ratio(bare_ns, host_ns),
            budget: host_ns.and((runtime == "wasmtime").then_some(0.1)),
        })
    };
    figures.runtimes().filter_map(row).collect()
}

fn ratio(bare: Option<f64>, through: Option<f64>) -> Option<f64> {
    Some(through? / bare?)
}

fn tables(rows: &[Row]) -> String {
    let (loads, calls): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.what == LOAD);
    let mut tables = String::from(
        "| what | runtime | bare, ns | boundary, ns | host, ns | ratio | budget |\n\
         | --- | --- | ---: | ---: | ---: | ---: | ---: |\n",
    );
    for row in calls {
        let _ = writeln!(
            tables,
            "| {} | {} | {} | {} | {} | {} | {} |",
            row.what,
            row.runtime,
            number(row.bare_ns, 1),
            number(row.boundary_ns, 1),
            number(row.host_ns, 1),
            number(row.ratio, 2),
            number(row.budget, 1),
        );
    }
    tables.push_str(
        "\n| loading a plugin on | from bytecode, ms | compiled ahead, ms | ratio | budget |\n\
         | --- | ---: | ---: | ---: | ---: |\n",
    );
    let ms = |ns: Option<f64>| ns.map(|ns| ns / 1e6);
    for row in loads {
        let _ = writeln!(
            tables,
            "| {} | {} | {} | {} | {} |",
            row.runtime,
            number(ms(row.bare_ns), 2),
            number(ms(row.host_ns), 2),
            number(row.ratio, 3),
            number(row.budget, 1),
        );
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    fn result(dir: &Path, path: &str, ns: f64) {
        let dir = dir.join(path).join("new");
        std::fs::create_dir_all(&dir).unwrap();
        let json = format!(r#"{{"median": {{"point_estimate": {ns}}}}}"#);
        std::fs::write(dir.join("estimates.json"), json).unwrap();
    }

    #[test]
    fn ratios_come_from_the_files_and_are_compared_with_their_budget() {
        let dir = tempfile::tempdir().unwrap();
        for (path, ns) in [
            ("host_call_wasmtime/bare", 8000.0),
            ("host_call_wasmtime/boundary", 9000.0),
            ("host_call_wasmtime/host", 12_800.0),
            ("callback_wasmtime/bare", 10.0),
            ("callback_wasmtime/host", 15.0),
            ("host_call_wamr/bare", 10_000.0),
            ("host_call_wamr/host", 14_000.0),
            ("callback_wamr/bare", 10.0),
            ("host_call_null/bare", 1000.0),
            ("host_call_null/host", 14_000.0),
            ("callback_null/bare", 1.0),
            ("load_wasmtime/compile", 30e6),
            ("load_wasmtime/precompiled", 6e6),
            ("load_wamr/compile", 2e6),
            ("stream_noop/floor", 100.0),
            ("stream_noop/wasmtime", 200.0),
        ] {
            result(dir.path(), path, ns);
        }
        let mut figures = Figures::default();
        figures.read(dir.path()).unwrap();
        // A slower second round changes nothing, a faster one does.
        result(dir.path(), "host_call_wasmtime/host", 99_000.0);
        result(dir.path(), "stream_noop/floor", 80.0);
        figures.read(dir.path()).unwrap();
        let rows = rows(&figures);
        let of = |what: &str, runtime: &str| {
            let mut rows = rows.iter();
            rows.find(|row| row.what.starts_with(what) && row.runtime == runtime)
                .unwrap()
        };
        let find = |what: &str| of(what, "wasmtime");
        let host_call = find("host function that moves no");
        assert_eq!(host_call.bare_ns, Some(8.0));
        assert_eq!(host_call.ratio, Some(1.6));
        assert!(host_call.over_budget());
        assert_eq!(find("callback").ratio, Some(1.5));
        assert!(!find("callback").over_budget());
        assert_eq!(find("stream through a plugin").ratio, Some(2.5));
        assert!(of("host function that moves no", "wamr").over_budget());
        assert!(!of("host function that moves no", "null").over_budget());
        assert!(find("load").over_budget());
        assert!(!of("load", "wamr").over_budget());
        let tables = tables(&rows);
        for line in [
            "| callback | wasmtime | 10.0 | – | 15.0 | 1.50 | 2.0 |",
            "| wasmtime | 30.00 | 6.00 | 0.200 | 0.1 |",
            "| wamr | 2.00 | – | – | – |",
        ] {
            assert!(tables.contains(line), "{tables}");
        }
    }

    #[test]
    fn no_results_are_an_error_that_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let error = Figures::default()
            .read(&dir.path().join("none"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("run without --last"), "{error}");
    }
}
