//! Compares what came of an exchange with what a case says.

use enginebay::abi::{AbiVersion, Callback, LogLevel};

use crate::case::{Case, Effect, Step};
use crate::guest::REPORT;
use crate::host::{Local, Outcome, StreamOutcome, owned};

/// Says what is not as the case wants it.
pub(crate) fn check(case: &Case, version: AbiVersion, outcome: &Outcome) -> Result<(), String> {
    match (case.fails, &outcome.failure) {
        (None, Some(failure)) => return Err(format!("the VM failed: {failure}")),
        (Some(part), Some(failure)) if !failure.contains(part) => {
            return Err(format!("the VM failed with {failure:?}, not with {part:?}"));
        }
        (Some(part), None) => return Err(format!("the VM did not fail with {part:?}")),
        _ => {}
    }
    let comparison = Comparison {
        case,
        version,
        outcome,
    };
    comparison.check_reports()?;
    case.effects
        .iter()
        .try_for_each(|effect| comparison.check_effect(effect))
}

struct Comparison<'a> {
    case: &'a Case,
    version: AbiVersion,
    outcome: &'a Outcome,
}

impl Comparison<'_> {
    /// What the guest reported, oldest first.
    fn reports(&self) -> impl Iterator<Item = &str> {
        self.outcome
            .log
            .iter()
            .filter_map(|(_, message)| message.strip_prefix(REPORT))
    }

    /// What the plugin logged besides.
    fn logged(&self) -> Vec<(LogLevel, &str)> {
        let own = self
            .outcome
            .log
            .iter()
            .filter(|(_, message)| !message.starts_with(REPORT));
        own.map(|(level, message)| (*level, message.as_str())).collect()
    }

    /// Compares what the guest reported with what the script says.
    fn check_reports(&self) -> Result<(), String> {
        let mut callback: Option<(Callback, std::slice::Iter<'_, Step>)> = None;
        let mut called = Vec::new();
        let complete = |callback: &mut Option<(Callback, std::slice::Iter<'_, Step>)>| match callback {
            // The call that ends the VM reports nothing.
            Some((of, steps)) if self.case.fails.is_none() => match steps.find(|step| reports(step)) {
                Some(step) => Err(format!("{of} ended before {step:x?}")),
                None => Ok(()),
            },
            _ => Ok(()),
        };
        for report in self.reports() {
            let mut chars = report.chars();
            let (kind, value) = (chars.next(), chars.as_str());
            let number = u32::from_str_radix(value, 16).unwrap_or(u32::MAX);
            if kind == Some('c') {
                complete(&mut callback)?;
                let now = Callback::ALL
                    .get(number as usize)
                    .ok_or("the guest made no sense")?;
                let script = self.case.script.iter().find(|(of, _)| of == now);
                let (now, steps) = script.ok_or_else(|| format!("{now} was called"))?;
                called.push(*now);
                callback = Some((*now, steps.iter()));
                continue;
            }
            let steps = &mut callback.as_mut().ok_or("a report before a callback")?.1;
            let step = steps
                .find(|step| reports(step))
                .ok_or("more reports than steps")?;
            self.check_report(step, kind, value, number)?;
        }
        complete(&mut callback)?;
        match self.case.script.iter().find(|(of, _)| !called.contains(of)) {
            Some((of, _)) => Err(format!("{of} was not called")),
            None => Ok(()),
        }
    }

    fn check_report(&self, step: &Step, kind: Option<char>, value: &str, number: u32) -> Result<(), String> {
        let bytes = || -> Vec<u8> {
            let digits = value.as_bytes().chunks(2);
            let byte = |pair: &[u8]| u8::from_str_radix(&String::from_utf8_lossy(pair), 16).ok();
            digits.filter_map(byte).collect()
        };
        match (step, kind) {
            (
                Step::Call {
                    function, returns, ..
                },
                Some('s'),
            ) => {
                let expected = returns.unwrap_or(0);
                if number != expected {
                    return Err(format!("{function} returned {number}, not {expected}"));
                }
                if returns.is_some() && !function.answer().allows(self.version, number) {
                    return Err(format!("{function} returned {number}, which is not in the table"));
                }
                Ok(())
            }
            (Step::Param(at, expected), Some('p')) if number != *expected => Err(format!(
                "parameter {at} of the callback was {number}, not {expected}"
            )),
            (Step::Memory(at, expected), Some('m')) if bytes() != *expected => {
                Err(format!("at {at} was {:x?}, not {expected:x?}", bytes()))
            }
            (Step::Out(expected), Some('m')) if bytes() != *expected => Err(format!(
                "what was returned was {:?}, not {:?}",
                String::from_utf8_lossy(&bytes()),
                String::from_utf8_lossy(expected)
            )),
            (Step::OutStarts(expected), Some('m')) if !bytes().starts_with(expected) => Err(format!(
                "what was returned was {:?}, which does not start with {:?}",
                String::from_utf8_lossy(&bytes()),
                String::from_utf8_lossy(expected)
            )),
            (Step::Param(..), Some('p')) => Ok(()),
            (Step::Memory(..) | Step::Out(_) | Step::OutStarts(_), Some('m')) => Ok(()),
            (step, kind) => Err(format!("report {kind:?} for {step:?}")),
        }
    }

    fn check_effect(&self, effect: &Effect) -> Result<(), String> {
        let outcome = self.outcome;
        let stream = || {
            outcome
                .stream
                .as_ref()
                .ok_or("it did not come to the end of the stream")
        };
        match effect {
            Effect::Logged(level, message) => same("log", &self.logged(), &vec![(*level, *message)]),
            Effect::Silent => same("log", &self.logged(), &vec![]),
            Effect::Headers(map, expected) => {
                same(map.name(), &stream()?.maps.get(map), &Some(&owned(expected)))
            }
            Effect::Buffer(buffer, expected) => {
                let found = stream()?.buffers.get(buffer).map(String::as_str);
                same(buffer.name(), &found, &Some(*expected))
            }
            Effect::Property(path, expected) => {
                let found = stream()?.properties.get(*path).map(String::as_str);
                same(path, &found, &Some(*expected))
            }
            Effect::Untouched => {
                same(
                    "the stream",
                    stream()?,
                    &StreamOutcome::untouched(&self.case.given),
                )?;
                let asked = outcome.local.len() + outcome.continued.len() + outcome.closed.len();
                same("requests to the stream", &asked, &0)?;
                same("cleared routes", &outcome.routes_cleared, &0)
            }
            Effect::Local(status, details, body, headers, grpc_status) => {
                let expected = Local {
                    status: *status,
                    details: (*details).to_owned(),
                    body: (*body).to_owned(),
                    headers: owned(headers),
                    grpc_status: *grpc_status,
                };
                same("local responses", &outcome.local, &vec![expected])
            }
            Effect::Continued(expected) => same("continued", &outcome.continued, expected),
            Effect::Closed(expected) => same("closed", &outcome.closed, expected),
            Effect::RouteCleared => same("cleared routes", &outcome.routes_cleared, &1),
            Effect::Ticks(expected) => same("ticks", &outcome.ticks, expected),
            Effect::Called(expected) => {
                let found: Vec<&str> = outcome.called.iter().map(String::as_str).collect();
                same("callouts", &found, expected)
            }
            Effect::Contexts(expected) => same("contexts", &outcome.contexts, expected),
        }
    }
}

/// Whether a step reports something.
fn reports(step: &Step) -> bool {
    !matches!(step, Step::Store(..) | Step::Allocator(_) | Step::Return(_))
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: &T, expected: &T) -> Result<(), String> {
    match found == expected {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, not {expected:?}")),
    }
}
