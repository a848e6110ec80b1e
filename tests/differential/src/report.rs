//! What there is to say of a difference.

use std::fmt;

use crate::Kind;
use crate::shrink::Case;
use crate::subject::Subject;
use crate::trace::Trace;

/// Two engines that did not do the same, and the smallest case in which they don't.
#[derive(Clone, Debug)]
pub struct Difference {
    /// The kind of the case.
    pub kind: Kind,
    /// The seed that it was made from.
    pub seed: u64,
    /// The two runtimes.
    pub runtimes: [&'static str; 2],
    /// What each did where they first differ: event, callback, step.
    pub lines: [String; 2],
    /// Where their memories differ first, and the bytes there.
    pub memory: Option<String>,
    /// The case, as small as it gets.
    pub script: String,
}

impl Difference {
    pub(crate) fn of<C: Case>(kind: Kind, seed: u64, case: &C, first: &Subject, other: &Subject) -> Self {
        let play = |look| [case.play(first, look), case.play(other, look)];
        let [a, b] = play(None);
        let at = a.first_difference(&b);
        let [a, b] = play(at);
        let line = |trace: &Trace| match at.and_then(|at| trace.lines.get(at)) {
            Some(line) => line.to_string(),
            None => "nothing more".to_owned(),
        };
        Difference {
            kind,
            seed,
            runtimes: [first.name(), other.name()],
            lines: [line(&a), line(&b)],
            memory: first_difference(&a.memory, &b.memory),
            script: case.to_string(),
        }
    }
}

fn first_difference(a: &[u8], b: &[u8]) -> Option<String> {
    let at = std::iter::zip(a, b).position(|(a, b)| a != b)?;
    let bytes = |memory: &[u8]| {
        memory
            .get(at..)
            .map(|rest| format!("{:02x?}", &rest[..rest.len().min(8)]))
    };
    Some(format!("at {at:#x}: {}, {}", bytes(a)?, bytes(b)?))
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = self.runtimes;
        let width = a.len().max(b.len());
        writeln!(f, "{b} differs from {a} in {} of seed {}", self.kind, self.seed)?;
        writeln!(f, "  {a:width$}  {}", self.lines[0])?;
        writeln!(f, "  {b:width$}  {}", self.lines[1])?;
        if let Some(memory) = &self.memory {
            writeln!(f, "  memory {memory}")?;
        }
        writeln!(f, "the smallest case that differs:\n{}", self.script)?;
        writeln!(
            f,
            "again: cargo xtask differential --kind {} --seed {} --count 1 --runtime {a} --runtime {b}",
            self.kind, self.seed
        )
    }
}
