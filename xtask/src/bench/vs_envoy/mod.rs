//! `cargo xtask bench --vs-envoy`: Envoy and enginebay, one after the other, with the same configuration and load.

mod config;
pub mod generator;
mod load;
mod machine;
pub mod pace;
mod programs;
mod report;
mod server;
mod starts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use self::config::Filters;
use self::load::Seen;
use self::machine::{Busy, Used};
use self::pace::Pace;
use self::programs::{Code, Programs};
use self::report::Report;
use self::server::Server;
use super::page;

/// What is asked for besides `--vs-envoy`.
#[derive(Debug, clap::Args)]
#[group(id = "with_envoy")]
#[command(next_help_heading = "With --vs-envoy")]
pub struct Args {
    /// Envoy's program [default: `envoy` in PATH].
    #[arg(long, value_name = "PATH", requires = "vs_envoy")]
    envoy: Option<PathBuf>,
    /// enginebay's program [default: a release build made now].
    #[arg(long, value_name = "PATH", requires = "vs_envoy")]
    server: Option<PathBuf>,
    /// How long each measurement takes. wrk knows whole seconds only.
    #[arg(long, value_name = "N", default_value_t = 1.0, requires = "vs_envoy", value_parser = seconds)]
    seconds: f64,
    /// Connections at once.
    #[arg(long, value_name = "N", default_value_t = 16, requires = "vs_envoy")]
    connections: usize,
    /// How many processors others may keep busy meanwhile: with more, a measurement is made again.
    #[arg(long, value_name = "SHARE", default_value_t = 0.05, requires = "vs_envoy")]
    busy: f64,
    /// How often a measurement is made again before the round goes without.
    #[arg(long, value_name = "N", default_value_t = 5, requires = "vs_envoy")]
    retries: u32,
    /// Only the rows whose names contain one of these, such as `enginebay,four`. Ratios are of rows that are there.
    #[arg(long, value_name = "PARTS", value_delimiter = ',', requires = "vs_envoy")]
    rows: Vec<String>,
    /// Leave out the time from start to ready.
    #[arg(long, requires = "vs_envoy")]
    no_starts: bool,
    /// Run servers and client before all other processes (`chrt -f 50`, as root), on a machine that is used by others.
    #[arg(long, requires = "vs_envoy")]
    first: bool,
    /// More arguments for enginebay, on every start.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, requires = "vs_envoy")]
    server_arg: Vec<String>,
    /// Arguments for enginebay with which it starts cold at once, such as those of a baseline compiler.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, requires = "vs_envoy")]
    cold_arg: Vec<String>,
    /// Arguments for enginebay with which a second start is warm, such as those of a code cache. `{}` is a folder that is
    /// empty at first.
    #[arg(long, value_name = "ARG", allow_hyphen_values = true, requires = "vs_envoy")]
    warm_arg: Vec<String>,
}

/// Which processor has the server, and which the client.
const SERVER: &str = "0";
const CLIENT: &str = "1";

/// How long a server is loaded before it is measured.
const WARM_UP: Duration = Duration::from_secs(1);

/// A server with filters: one row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Case {
    envoy: bool,
    /// The last part of the runtime's name.
    runtime: &'static str,
    filter: Filter,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
enum Filter {
    None,
    Noop,
    Header,
    FourHeaders,
}

impl Filter {
    fn name(self) -> &'static str {
        match self {
            Filter::None => "no filter",
            Filter::Noop => "noop",
            Filter::Header => "header filter",
            Filter::FourHeaders => "four header filters",
        }
    }

    fn count(self) -> usize {
        match self {
            Filter::None => 0,
            Filter::Noop | Filter::Header => 1,
            Filter::FourHeaders => 4,
        }
    }

    fn guest(self) -> &'static str {
        match self {
            Filter::Noop => "noop",
            _ => "header_filter",
        }
    }
}

impl Case {
    const fn envoy(filter: Filter) -> Self {
        Case {
            envoy: true,
            runtime: "v8",
            filter,
        }
    }

    const fn ours(runtime: &'static str, filter: Filter) -> Self {
        Case {
            envoy: false,
            runtime,
            filter,
        }
    }

    fn server(self) -> &'static str {
        if self.envoy { "Envoy" } else { "enginebay" }
    }

    fn name(self) -> String {
        match self.filter {
            Filter::None => format!("{}, no filter", self.server()),
            filter => format!("{} {}, {}", self.server(), self.runtime, filter.name()),
        }
    }
}

/// In the order in which a round goes through them: what is compared is close in time.
const CASES: [Case; 11] = [
    Case::envoy(Filter::None),
    Case::ours("wasmtime", Filter::None),
    Case::envoy(Filter::Noop),
    Case::ours("wasmtime", Filter::Noop),
    Case::ours("null", Filter::Noop),
    Case::envoy(Filter::Header),
    Case::ours("wasmtime", Filter::Header),
    Case::ours("null", Filter::Header),
    Case::envoy(Filter::FourHeaders),
    Case::ours("wasmtime", Filter::FourHeaders),
    Case::ours("null", Filter::FourHeaders),
];

/// One measurement.
#[derive(Debug, Clone, Serialize)]
struct Sample {
    /// Microseconds of processor time for each request.
    cpu: f64,
    #[serde(flatten)]
    seen: Seen,
    /// KiB, when the load is over.
    resident: u64,
    /// Processors that others kept busy.
    others: f64,
}

/// Measures, prints, and writes what was asked for.
///
/// # Errors
///
/// A program is missing or fails, the machine is too busy, or a ratio is over its budget.
pub(super) fn run(args: &Args, rounds: u32, json: Option<&Path>, write: bool) -> Result<()> {
    let programs = Programs::find(args)?;
    let mut report = Report::new(programs.client.name(), &programs.envoy_version);
    let servers = start(args, &programs)?;
    let pace = Pace::new(args.first);
    for _ in 0..10 {
        pace.slowness()?;
    }
    for round in 1..=rounds {
        report.rounds.push(Vec::new());
        for (case, server) in &servers {
            let (case, name) = (*case, case.name());
            let sample = quiet(args, &programs, &pace, case, server)
                .with_context(|| format!("round {round}: {name}"))?;
            match sample {
                Some(sample) => {
                    eprintln!(
                        "round {round}: {name}: {:.2} µs, {:.0}/s, {:.0} µs, {:.0} µs, {} KiB",
                        sample.cpu, sample.seen.per_second, sample.seen.p50, sample.seen.p99, sample.resident
                    );
                    report.add(case, sample);
                }
                None => eprintln!("round {round}: {name}: left out, the machine is busy"),
            }
        }
    }
    drop(servers);
    if !args.no_starts {
        report.starts = starts::measure(args, &programs, rounds)?;
    }
    let text = report.text();
    println!("\n{text}");
    if let Some(file) = json {
        page::write_json(file, &report.json())?;
    }
    if write {
        page::replace("vs-envoy", &text)?;
    }
    report.check()
}

/// One measurement while others leave the machine alone, or nothing when they don't.
fn quiet(
    args: &Args,
    programs: &Programs,
    pace: &Pace,
    case: Case,
    server: &Server,
) -> Result<Option<Sample>> {
    for _ in 0..=args.retries {
        let before = pace.slowness()?;
        let sample = sample(args, programs, server)?;
        let slowness = before.max(pace.slowness()?);
        if sample.others <= args.busy && !Pace::is_slow(slowness) {
            return Ok(Some(sample));
        }
        eprintln!(
            "{}: once more, others keep {:.2} processors busy, and the server's is {slowness:.2} times slower than it can be",
            case.name(),
            sample.others
        );
    }
    Ok(None)
}

/// Starts all servers, each of which does nothing while another is measured: so that what is compared is measured one right
/// after the other.
fn start(args: &Args, programs: &Programs) -> Result<Vec<(Case, Server)>> {
    let mut servers = Vec::new();
    for case in CASES {
        let name = case.name();
        if !args.rows.is_empty() && !args.rows.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let server = start_one(programs, case).with_context(|| name.clone())?;
        programs.client.run(server.address, WARM_UP).context(name)?;
        servers.push((case, server));
    }
    Ok(servers)
}

fn start_one(programs: &Programs, case: Case) -> Result<Server> {
    let code = programs.code(Code::of(case));
    let config = config::bootstrap((case.filter != Filter::None).then_some(&Filters {
        runtime: case.runtime,
        code: &code,
        count: case.filter.count(),
    }));
    let server = Server::start(&programs.pinned(case.envoy), &config)?;
    let filtered = server.get()?.head.matches("x-filtered: yes").count();
    let expected = if case.filter.guest() == "noop" {
        0
    } else {
        case.filter.count()
    };
    ensure!(
        filtered == expected,
        "{filtered} filters did their work, and not {expected}"
    );
    Ok(server)
}

fn sample(args: &Args, programs: &Programs, server: &Server) -> Result<Sample> {
    let time = Duration::from_secs_f64(args.seconds);
    let (busy, before) = (Busy::read()?, Used::read(server.id())?);
    let counted = programs.client.wakeful().run(server.address, time)?;
    let used = Used::read(server.id())?.since(&before);
    let seen = match programs.client.wrk {
        true => programs.client.run(server.address, time)?,
        false => counted.clone(),
    };
    let used_in_all = Used::read(server.id())?.since(&before);
    Ok(Sample {
        cpu: used.as_secs_f64() * 1e6 / counted.requests as f64,
        resident: server.resident()?,
        others: Busy::read()?.others_since(&busy, used_in_all),
        seen,
    })
}

/// Reads a number of seconds.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(seconds @ 0.1..=3600.0) => Ok(seconds),
        _ => Err("a number from 0.1 to 3600".to_owned()),
    }
}

/// The words before a command that keep it on a processor, and put it before other processes.
fn wrapper(cpu: Option<&str>, first: bool) -> Vec<String> {
    let cpu = cpu.into_iter().flat_map(|cpu| ["taskset", "-c", cpu]);
    let first: &[&str] = if first { &["chrt", "-f", "50"] } else { &[] };
    cpu.chain(first.iter().copied()).map(str::to_owned).collect()
}

/// Fails when the machine can't do what is asked.
fn check_machine(args: &Args) -> Result<()> {
    if !Path::new("/proc/self/schedstat").exists() {
        bail!("this takes Linux, with /proc");
    }
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    ensure!(
        processors > 1,
        "this takes two processors: one for the server, one for the client"
    );
    let command = wrapper(Some(CLIENT), args.first);
    let (program, rest) = command.split_first().context("no command")?;
    ensure!(
        crate::process::succeeds(std::process::Command::new(program).args(rest).arg("true")),
        "`{}` does not work here",
        command.join(" ")
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn seconds_are_a_number_within_bounds() {
        assert_eq!(seconds("0.5"), Ok(0.5));
        assert_eq!(seconds("3600"), Ok(3600.0));
        for wrong in ["0", "0.05", "3601", "-1", "NaN", "1s", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
