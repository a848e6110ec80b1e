//! The parts of the benchmarks.

use clap::ValueEnum;
use serde::Serialize;

use super::figures::Figures;
use super::{boundary, life, prices, scale, stream};

/// A part, which can be measured alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// One call across the engine boundary, each way.
    Boundary,
    /// One whole HTTP stream.
    Stream,
    /// Loading code, new VMs, their memory.
    Life,
    /// How costs grow.
    Scale,
    /// Each host function and each callback.
    Price,
}

/// Something that must not be larger than its budget.
#[derive(Debug, Serialize, PartialEq)]
pub(super) struct Check {
    pub what: String,
    pub value: f64,
    pub budget: f64,
}

impl Check {
    pub(super) fn new(what: impl Into<String>, value: Option<f64>, budget: Option<f64>) -> Option<Check> {
        Some(Check {
            what: what.into(),
            value: value?,
            budget: budget?,
        })
    }

    pub(super) fn over_budget(&self) -> bool {
        self.value > self.budget
    }
}

/// What came out of a part.
#[derive(Default, Serialize)]
pub(super) struct Outcome {
    /// The tables.
    #[serde(skip)]
    pub text: String,
    pub rows: Vec<serde_json::Value>,
    pub checks: Vec<Check>,
}

impl Part {
    /// The benchmark's programs.
    pub(super) fn benches(self) -> &'static [&'static str] {
        match self {
            Part::Boundary => &["boundary"],
            Part::Stream => &["stream", "native"],
            Part::Life => &["life"],
            Part::Scale => &["scale"],
            Part::Price => &["price"],
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Part::Boundary => "boundary",
            Part::Stream => "stream",
            Part::Life => "life",
            Part::Scale => "scale",
            Part::Price => "price",
        }
    }

    pub(super) fn outcome(self, figures: &Figures) -> Outcome {
        match self {
            Part::Boundary => boundary::outcome(figures),
            Part::Stream => stream::outcome(figures),
            Part::Life => life::outcome(figures),
            Part::Scale => scale::outcome(figures),
            Part::Price => prices::outcome(figures),
        }
    }
}
