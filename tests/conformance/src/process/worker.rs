//! The side that runs the cases.

use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::Instant;

use glob::Pattern;

use super::{FILTER, FROM, HOST, LIST, Listed, MARK, Message};
use crate::candidate::Candidate;
use crate::report::{CaseOutcome, CaseReport};
use crate::suite::{Check, checks};

/// Runs cases and tells of them on standard output, if this process was started for that. Else `None`: to be called first
/// in a program's `main`.
pub fn be_worker(candidates: &[Candidate]) -> Option<ExitCode> {
    let name = std::env::var(HOST).ok()?;
    let candidate = candidates.iter().find(|candidate| candidate.name() == name);
    let result = match candidate {
        Some(candidate) => work(candidate),
        None => tell(&Message::Broken(format!("there is no host {name}"))),
    };
    Some(ExitCode::from(u8::from(result.is_err())))
}

fn work(candidate: &Candidate) -> std::io::Result<()> {
    let host = match candidate.host() {
        Ok(host) => host,
        Err(why) => return tell(&Message::Broken(why)),
    };
    if std::env::var_os(LIST).is_some() {
        let listed = |check: &Check<'_>| Listed {
            name: check.name().to_owned(),
            lacks: check.lacks().map(str::to_owned),
        };
        return tell(&Message::Listed(checks(&*host).iter().map(listed).collect()));
    }
    let from = std::env::var(FROM)
        .ok()
        .and_then(|from| from.parse().ok())
        .unwrap_or(0);
    let filter = std::env::var(FILTER).unwrap_or_default();
    let filter: Vec<Pattern> = filter
        .lines()
        .filter_map(|line| Pattern::new(line).ok())
        .collect();
    let wanted =
        |check: &Check<'_>| filter.is_empty() || filter.iter().any(|pattern| pattern.matches(check.name()));
    let checks: Vec<Check<'_>> = checks(&*host).into_iter().filter(wanted).collect();
    tell(&Message::Cases(checks.len()))?;
    for (number, check) in checks.iter().enumerate().skip(from) {
        tell(&Message::Begin(number, check.name().to_owned()))?;
        let start = Instant::now();
        let outcome = run(candidate, check);
        tell(&Message::End(CaseReport {
            name: check.name().to_owned(),
            outcome,
            seconds: start.elapsed().as_secs_f64(),
        }))?;
    }
    Ok(())
}

fn run(candidate: &Candidate, check: &Check<'_>) -> CaseOutcome {
    if let Some(reason) = check.lacks() {
        let reason = reason.to_owned();
        return CaseOutcome::NotApplicable { reason };
    }
    // A case that panics is one that failed; what it was at is not used again.
    let result = catch_unwind(AssertUnwindSafe(|| check.run())).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a message")))
    });
    CaseOutcome::of(result, candidate.expects(check.name()))
}

fn tell(message: &Message) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    // What a library printed may lack the end of its line.
    writeln!(out, "\n{MARK}{}", serde_json::to_string(message)?)?;
    out.flush()
}
