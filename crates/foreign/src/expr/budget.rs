//! What one evaluation may take.

use super::Error;
use crate::Limits;

/// What is left of the bounds on one evaluation. Memory that was let go is not given back: a bound on all that was ever
/// taken is one on what is in use.
pub(crate) struct Budget {
    steps: u64,
    memory: usize,
}

impl Budget {
    pub(crate) fn new(limits: &Limits) -> Self {
        Budget {
            steps: limits.expression_steps,
            memory: limits.expression_memory,
        }
    }

    /// Takes as many steps.
    pub(crate) fn steps(&mut self, steps: u64) -> Result<(), Error> {
        self.steps = self.steps.checked_sub(steps).ok_or(Error::Exhausted)?;
        Ok(())
    }

    /// Looks at as many bytes.
    pub(crate) fn look(&mut self, bytes: usize) -> Result<(), Error> {
        self.steps(bytes as u64 / 16)
    }

    /// Makes a value of as many bytes.
    pub(crate) fn make(&mut self, bytes: usize) -> Result<(), Error> {
        self.look(bytes)?;
        self.memory = self.memory.checked_sub(bytes).ok_or(Error::Exhausted)?;
        Ok(())
    }
}
