//! The command: which hosts, which cases, and in which form the report is.

mod progress;

use std::collections::BTreeSet;
use std::fs::OpenOptions;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use std::time::Duration;

use clap::Parser;
use glob::Pattern;

use crate::candidate::Candidate;
use crate::process::{self, Options};
use crate::report::{Format, HostReport, Report, summary};
use progress::Progress;

/// Run the Proxy-Wasm conformance suite. Exits with 1 when a case failed, and with 2 when there is nothing that could be
/// run.
#[derive(Debug, Parser)]
#[command(name = "enginebay-conformance")]
struct Args {
    /// Only this runtime, by its name or the last part of it; may be given several times.
    #[arg(long = "runtime", value_name = "NAME")]
    runtimes: Vec<String>,
    /// Only cases whose names match, such as `abi/0.2.1/proxy_log/*`; may be given several times.
    #[arg(long = "filter", value_name = "GLOB", value_parser = glob)]
    filters: Vec<String>,
    /// What the report looks like.
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Write the report into a file instead of to standard output.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// How long one case may take.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    time_limit: Duration,
    /// Print the names of the cases instead of running them.
    #[arg(long)]
    list: bool,
}

/// Runs the suite on these hosts as the command line says. To be all of the `main` of a program.
///
/// The program starts itself again for each host, so nothing may come before this in its `main` that must not happen
/// twice.
pub fn main(candidates: Vec<Candidate>) -> ExitCode {
    if let Some(code) = process::be_worker(&candidates) {
        return code;
    }
    let args = match Args::try_parse() {
        Ok(args) => args,
        // This exits: with 2 for what is wrong, with 0 for `--help`.
        Err(error) => error.exit(),
    };
    match run(&args, &candidates) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(why) => {
            eprintln!("error: {why}");
            ExitCode::from(2)
        }
    }
}

/// Whether nothing failed.
fn run(args: &Args, candidates: &[Candidate]) -> Result<bool, String> {
    let chosen = choose(candidates, &args.runtimes)?;
    if let Some(file) = &args.out {
        // Better said before the run than after it.
        let opened = OpenOptions::new().create(true).append(true).open(file);
        opened.map_err(|error| format!("can't write {}: {error}", file.display()))?;
    }
    if args.list {
        let names = list(args, &chosen)?;
        return emit(args, &(names.join("\n") + "\n")).map(|()| true);
    }
    if !args.filters.is_empty() {
        list(args, &chosen)?;
    }
    let report = run_all(args, &chosen);
    let passed = report.runtimes.values().all(|host| host.failed == 0);
    emit(args, &args.format.render(&report))?;
    if let Some(file) = &args.out {
        let hosts = report.runtimes.iter();
        let hosts: Vec<String> = hosts
            .map(|(name, host)| format!("{name}: {}", summary(host)))
            .collect();
        eprintln!("{}: {}", file.display(), hosts.join("; "));
    }
    Ok(passed)
}

/// The hosts with these names, all if there are none.
fn choose<'c>(candidates: &'c [Candidate], names: &[String]) -> Result<Vec<&'c Candidate>, String> {
    let known: Vec<&str> = candidates.iter().map(Candidate::name).collect();
    let mut seen = BTreeSet::new();
    if let Some(twice) = known.iter().find(|name| !seen.insert(**name)) {
        return Err(format!("two runtimes are called {twice}"));
    }
    if let Some(name) = names.iter().find(|name| find(candidates, name).is_none()) {
        return Err(format!(
            "there is no runtime {name:?}; there are {}",
            known.join(", ")
        ));
    }
    let named: BTreeSet<&str> = names
        .iter()
        .filter_map(|name| find(candidates, name))
        .map(Candidate::name)
        .collect();
    let wanted = candidates
        .iter()
        .filter(|candidate| names.is_empty() || named.contains(candidate.name()));
    match wanted.collect::<Vec<_>>() {
        none if none.is_empty() => Err("there are no runtimes: none is linked in".to_owned()),
        wanted => Ok(wanted),
    }
}

/// The host that has this name, else one that is also known by it.
fn find<'c>(candidates: &'c [Candidate], name: &str) -> Option<&'c Candidate> {
    let own = candidates.iter().find(|candidate| candidate.name() == name);
    own.or_else(|| candidates.iter().find(|candidate| candidate.is_called(name)))
}

/// The names of the cases that match, each once. A host that can't be asked has none: the run says why.
fn list(args: &Args, chosen: &[&Candidate]) -> Result<Vec<String>, String> {
    let mut names = Vec::new();
    let mut seen = BTreeSet::new();
    let mut broken = Vec::new();
    for candidate in chosen {
        match process::list(candidate, args.time_limit) {
            Ok(cases) => names.extend(cases.into_iter().map(|case| case.name)),
            Err(why) => broken.push(format!("{}: {why}", candidate.name())),
        }
    }
    if names.is_empty() {
        return Err(broken.join("\n"));
    }
    names.retain(|name| seen.insert(name.clone()));
    let filters: Vec<Pattern> = args
        .filters
        .iter()
        .filter_map(|filter| Pattern::new(filter).ok())
        .collect();
    for filter in &filters {
        if !names.iter().any(|name| filter.matches(name)) {
            return Err(format!("no case matches {:?}; --list shows all", filter.as_str()));
        }
    }
    names.retain(|name| filters.is_empty() || filters.iter().any(|filter| filter.matches(name)));
    Ok(names)
}

/// Runs the hosts next to each other, each in processes of its own, as many at once as there are processors.
fn run_all(args: &Args, chosen: &[&Candidate]) -> Report {
    let options = Options {
        filter: args.filters.clone(),
        time_limit: args.time_limit,
    };
    let progress = Progress::new(chosen.iter().map(|candidate| candidate.name()));
    let waiting = Mutex::new(chosen.iter());
    let next = || waiting.lock().ok()?.next().copied();
    let work = || {
        let mut done: Vec<(String, HostReport)> = Vec::new();
        while let Some(candidate) = next() {
            let bar = progress.bar(candidate.name());
            let report = process::run(candidate, &options, |case, count| bar.told(case, count));
            bar.done();
            done.push((candidate.name().to_owned(), report));
        }
        done
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut report = Report::default();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads.min(chosen.len()))
            .map(|_| scope.spawn(work))
            .collect();
        for thread in threads {
            match thread.join() {
                Ok(done) => report.runtimes.extend(done),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
    });
    report
}

/// Writes to where the report goes.
fn emit(args: &Args, text: &str) -> Result<(), String> {
    use std::io::Write as _;

    match &args.out {
        Some(file) => {
            std::fs::write(file, text).map_err(|error| format!("can't write {}: {error}", file.display()))
        }
        None => match std::io::stdout().write_all(text.as_bytes()) {
            // Whoever reads has seen enough.
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map_err(|error| format!("can't write to standard output: {error}")),
        },
    }
}

fn glob(text: &str) -> Result<String, String> {
    // Patterns are handed on one in a line.
    if text.contains('\n') {
        return Err("a name has no line breaks".to_owned());
    }
    Pattern::new(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(limit) if !limit.is_zero() => Ok(limit),
        _ => Err("must be more than 0".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates() -> Vec<Candidate> {
        let broken = |name: &str| Candidate::new(name, || Err("not here".to_owned()));
        let mut candidates = vec![broken("one"), broken("two")];
        candidates.extend(crate::linked().unwrap());
        candidates
    }

    fn chosen(names: &[&str]) -> Result<Vec<String>, String> {
        let candidates = candidates();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let chosen = choose(&candidates, &names)?;
        Ok(chosen
            .iter()
            .map(|candidate| candidate.name().to_owned())
            .collect())
    }

    #[test]
    fn runtimes_are_chosen_by_name() {
        assert_eq!(chosen(&[]).unwrap().len(), candidates().len());
        assert_eq!(chosen(&["two", "one", "two"]).unwrap(), ["one", "two"]);
    }

    #[test]
    #[cfg(feature = "wasmi")]
    fn whole_names_and_aliases_are_known() {
        for name in [
            "wasmi",
            "envoy.wasm.runtime.wasmi",
            "wavm",
            "envoy.wasm.runtime.wavm",
        ] {
            assert_eq!(chosen(&[name]).unwrap(), ["wasmi"], "{name}");
        }
    }

    #[test]
    fn an_unknown_runtime_is_an_error_that_lists_those_there_are() {
        let error = chosen(&["three"]).unwrap_err();
        assert!(
            error.starts_with("there is no runtime \"three\"; there are one, two"),
            "{error}"
        );
    }

    #[test]
    fn two_of_one_name_are_an_error() {
        let twice: Vec<Candidate> = candidates().into_iter().chain(candidates()).collect();
        let error = choose(&twice, &[]).err();
        assert_eq!(error.as_deref(), Some("two runtimes are called one"));
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        let error = |args: &[&str]| {
            let args = std::iter::once("suite").chain(args.iter().copied());
            Args::try_parse_from(args).unwrap_err().to_string()
        };
        assert!(error(&["--filter", "abi/[x"]).contains("abi/[x"));
        assert!(error(&["--filter", "a\nb"]).contains("line breaks"));
        for wrong in ["0", "-1", "soon", "inf", "NaN"] {
            let error = error(&[&format!("--time-limit={wrong}")]);
            assert!(error.contains("--time-limit"), "{error}");
        }
        assert!(error(&["--format", "yaml"]).contains("junit"));
    }
}
