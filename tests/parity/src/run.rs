//! All cases, several at once.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use glob::Pattern;

use crate::answer::Answer;
use crate::case::Case;
use crate::compare::{compare, compare_with_record};
use crate::corpus::Corpus;
use crate::exchange;
use crate::host::Host;
use crate::report::{Report, Row, Verdict};

/// How long something that isn't as expected may still become so.
const PATIENCE: Duration = Duration::from_secs(4);

/// What is to be run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The root of the checkout.
    pub root: PathBuf,
    /// Envoy's program. Without one, its answers are those that are written down.
    pub envoy: Option<PathBuf>,
    /// The program `enginebay`.
    pub server: PathBuf,
    /// Short names of runtimes.
    pub runtimes: Vec<String>,
    /// Patterns for the names of cases. Without one, all.
    pub filter: Vec<String>,
    /// Cases at once.
    pub jobs: usize,
    /// Write Envoy's answers down, instead of comparing.
    pub write: bool,
}

/// Runs the cases that match.
///
/// # Errors
///
/// The corpus can't be read, no case matches, or answers are to be written and there is no Envoy.
pub fn run(options: &Options) -> Result<Report> {
    ensure!(
        options.envoy.is_some() || !options.write,
        "only Envoy's own answers can be written"
    );
    let corpus = Corpus::of(&options.root);
    let patterns: Vec<Pattern> = options
        .filter
        .iter()
        .map(|pattern| Pattern::new(pattern).with_context(|| pattern.clone()))
        .collect::<Result<_>>()?;
    let mut cases = corpus.cases()?;
    cases.retain(|case| patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(&case.name)));
    ensure!(!cases.is_empty(), "no case matches");

    let left = Mutex::new(cases.iter());
    let rows = Mutex::new(Vec::new());
    let work = || {
        loop {
            // In a statement of its own, which gives the lock back.
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(case) = next else { return };
            let mut row = one(case, &corpus, options);
            if row.has_failed() {
                // Timers fire late on a machine that has much to do. What is different is different again.
                eprintln!("{}: once more", case.name);
                row = one(case, &corpus, options);
            }
            rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
        }
    };
    thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(work);
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by(|one: &Row, other| one.case.cmp(&other.case));
    Ok(Report { rows })
}

/// One case on all servers.
fn one(case: &Case, corpus: &Corpus, options: &Options) -> Row {
    let mut row = Row {
        case: case.name.clone(),
        verdicts: Vec::new(),
    };
    let guests = options.root.join("tests").join("guests");
    let recorded = corpus.recorded(&case.name);
    let envoy: Result<Answer> = match &options.envoy {
        None => recorded,
        Some(program) => {
            let host = Host::Envoy(program.clone());
            let known = recorded.ok();
            let as_before = |answer: &Answer| match (&known, options.write) {
                (Some(known), false) => answer == known,
                // Nobody knows, so it gets some more time.
                _ => false,
            };
            let patience = if options.write {
                Duration::from_millis(500)
            } else {
                PATIENCE
            };
            let answer = exchange::answer(&host, case, &guests, as_before, patience);
            let problems = match (&answer, &known) {
                (Err(error), _) => vec![format!("{error:#}")],
                (Ok(answer), _) if options.write => match corpus.record(&case.name, answer) {
                    Ok(()) => Vec::new(),
                    Err(error) => vec![format!("{error:#}")],
                },
                (Ok(_), None) => vec!["nobody has written Envoy's answer down".to_owned()],
                (Ok(answer), Some(known)) => compare_with_record(known, answer),
            };
            row.add(host.name(), problems);
            answer
        }
    };
    if options.write {
        return row;
    }
    for runtime in &options.runtimes {
        let host = Host::Enginebay(options.server.clone(), runtime.clone());
        let problems = match &envoy {
            Err(error) if options.envoy.is_none() => vec![format!("{error:#}")],
            Err(_) => vec!["there is no answer of Envoy to compare with".to_owned()],
            Ok(envoy) => {
                let same = |answer: &Answer| compare(case, envoy, answer).is_empty();
                match exchange::answer(&host, case, &guests, same, PATIENCE) {
                    Ok(answer) => compare(case, envoy, &answer),
                    Err(error) => vec![format!("{error:#}")],
                }
            }
        };
        row.add(host.name(), problems);
    }
    row
}

impl Row {
    fn add(&mut self, host: &str, problems: Vec<String>) {
        self.verdicts.push(Verdict {
            host: host.to_owned(),
            problems,
        });
    }
}
