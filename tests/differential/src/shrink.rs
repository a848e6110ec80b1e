//! Finds cases in which engines differ, and makes them small.

use std::fmt::Display;

use anyhow::{Result, bail};
use enginebay::Registry;

use crate::modules::{self, ModuleCase};
use crate::report::Difference;
use crate::script::ScriptCase;
use crate::subject::Subject;
use crate::trace::Trace;
use crate::{Kind, generate, play, smaller};

/// A case of either kind.
pub(crate) trait Case: Clone + Display {
    /// Plays it, and keeps the guest's memory at the line `look`.
    fn play(&self, subject: &Subject, look: Option<usize>) -> Trace;

    /// Cases a little smaller, those that leave out most first.
    fn smaller(&self) -> Vec<Self>;
}

impl Case for ScriptCase {
    fn play(&self, subject: &Subject, look: Option<usize>) -> Trace {
        play::play(subject, self, look)
    }

    fn smaller(&self) -> Vec<Self> {
        smaller::smaller(self)
    }
}

impl Case for ModuleCase {
    fn play(&self, subject: &Subject, look: Option<usize>) -> Trace {
        modules::play(subject, self, look)
    }

    fn smaller(&self) -> Vec<Self> {
        modules::smaller(self)
    }
}

/// The engines that are compared: each with the first.
pub struct Lab {
    subjects: Vec<Subject>,
}

impl Lab {
    /// Compares these.
    ///
    /// # Errors
    /// There are fewer than two.
    pub fn new(subjects: Vec<Subject>) -> Result<Self> {
        if subjects.len() < 2 {
            bail!("there must be two runtimes to compare: build with more of them, or name more");
        }
        Ok(Lab { subjects })
    }

    /// Compares the runtimes of these names; without names, all of WebAssembly that are linked in.
    ///
    /// # Errors
    /// A name that is unknown, or that of a runtime that can't be compared or set up; fewer than two.
    pub fn of(registry: &Registry, names: &[String]) -> Result<Self> {
        let subjects = match names {
            [] => registry
                .iter()
                .filter(|runtime| runtime.capabilities.word_size == 4)
                .map(Subject::new)
                .collect::<Result<_>>()?,
            names => names
                .iter()
                .map(|name| Subject::new(registry.get(name)?.runtime))
                .collect::<Result<_>>()?,
        };
        Lab::new(subjects)
    }

    /// The engines.
    pub fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    /// Plays the case of a seed on every engine. `None` when all did the same.
    pub fn check(&self, kind: Kind, seed: u64) -> Option<Difference> {
        match kind {
            Kind::Scripts => self.check_case(kind, seed, generate::case(seed)),
            Kind::Modules => self.check_case(kind, seed, modules::case(seed)),
        }
    }

    /// What happens in the case of a seed on the first engine.
    pub fn trace(&self, kind: Kind, seed: u64) -> Trace {
        let first = &self.subjects[0];
        match kind {
            Kind::Scripts => generate::case(seed).play(first, None),
            Kind::Modules => modules::case(seed).play(first, None),
        }
    }

    fn check_case<C: Case>(&self, kind: Kind, seed: u64, case: C) -> Option<Difference> {
        let [first, others @ ..] = self.subjects.as_slice() else {
            return None;
        };
        let expected = case.play(first, None);
        let other = others
            .iter()
            .find(|other| expected.first_difference(&case.play(other, None)).is_some())?;
        let differs = |case: &C| {
            let trace = case.play(first, None);
            trace.first_difference(&case.play(other, None)).is_some()
        };
        let smallest = shrink(case, differs);
        Some(Difference::of(kind, seed, &smallest, first, other))
    }
}

/// The smallest case that still differs: no single thing can be left out of it.
pub(crate) fn shrink<C: Case>(mut case: C, differs: impl Fn(&C) -> bool) -> C {
    while let Some(smaller) = case.smaller().into_iter().find(|smaller| differs(smaller)) {
        case = smaller;
    }
    case
}

#[cfg(test)]
mod tests {
    use enginebay::abi::HostFunction;

    use super::*;
    use crate::script::{Arg, Does};

    #[test]
    fn what_is_left_is_what_it_takes() {
        let calls = |case: &ScriptCase, wanted| -> usize {
            let steps = case
                .events
                .iter()
                .flat_map(|event| event.scripts.iter().flatten());
            steps.filter(|step| step.does == Does::Call(wanted)).count()
        };
        let takes = |case: &ScriptCase| {
            calls(case, HostFunction::ProxyLog) > 0 && calls(case, HostFunction::ProxyHttpCall) > 0
        };
        let case = (0..).map(generate::case).find(takes).unwrap();
        let small = shrink(case.clone(), takes);
        assert!(case.events.len() > small.events.len());
        let steps: Vec<_> = small
            .events
            .iter()
            .flat_map(|event| event.scripts.iter().flatten())
            .collect();
        assert_eq!(steps.len(), 2, "{small}");
        assert!(
            steps
                .iter()
                .all(|step| step.args.iter().all(|arg| *arg == Arg::Num(0))),
            "{small}"
        );
        assert!(small.smaller().iter().all(|smaller| !takes(smaller)), "{small}");
    }

    #[test]
    fn a_module_gets_smaller_too() {
        let takes =
            |case: &ModuleCase| case.to_string().contains("f64.") && case.to_string().contains("event 0");
        let case = (0..).map(modules::case).find(takes).unwrap();
        let small = shrink(case.clone(), takes);
        assert!(small.to_string().len() < case.to_string().len());
        assert!(!small.to_string().contains("event 1"), "{small}");
    }
}
