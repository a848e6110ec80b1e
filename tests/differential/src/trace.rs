//! What was seen of a case on one engine.

use std::fmt;

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The event of the case, from 0.
    pub event: usize,
    /// The export that ran.
    pub callback: Option<&'static str>,
    /// The number of host calls that it had made.
    pub step: usize,
    /// What it was.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {}", self.event)?;
        if let Some(callback) = self.callback {
            write!(f, ", {callback}, step {}", self.step)?;
        }
        write!(f, ": {}", self.text)
    }
}

/// All that was seen, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The lines.
    pub lines: Vec<Line>,
    /// The guest's memory at the line that was asked for.
    pub memory: Vec<u8>,
}

impl Trace {
    /// The place of the first line in which two traces differ.
    pub fn first_difference(&self, other: &Trace) -> Option<usize> {
        let most = self.lines.len().max(other.lines.len());
        (0..most).find(|at| self.lines.get(*at) != other.lines.get(*at))
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
