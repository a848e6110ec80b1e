//! The list of cases.

use enginebay_engine::{Capabilities, Compiler, Runtime};
use libtest_mimic::Trial;

use crate::fixture::Fixture;

pub(crate) struct Suite {
    runtime: &'static Runtime,
    compiler: Compiler,
    trials: Vec<Trial>,
}

impl Suite {
    pub(crate) fn new(runtime: &'static Runtime, compiler: Compiler) -> Self {
        Suite {
            runtime,
            compiler,
            trials: Vec::new(),
        }
    }

    /// What can be asked of the runtime with the suite's compiler.
    pub(crate) fn capabilities(&self) -> Capabilities {
        match self.compiler {
            // Nobody promises vector instructions with it.
            Compiler::Baseline => self.runtime.capabilities.with_simd(false),
            _ => self.runtime.capabilities,
        }
    }

    /// Adds a case for every runtime.
    pub(crate) fn add(&mut self, name: impl Into<String>, case: impl FnOnce(Fixture) + Send + 'static) {
        self.trials.push(self.trial(name.into(), case));
    }

    /// Adds a case for runtimes with a capability; elsewhere it is listed as ignored, with `without` as the reason.
    pub(crate) fn add_if(
        &mut self,
        capable: bool,
        without: &str,
        name: &str,
        case: impl FnOnce(Fixture) + Send + 'static,
    ) {
        let trial = self.trial(name.to_owned(), case);
        self.trials.push(if capable {
            trial
        } else {
            trial.with_kind(without).with_ignored_flag(true)
        });
    }

    pub(crate) fn into_trials(self) -> Vec<Trial> {
        self.trials
    }

    fn trial(&self, name: String, case: impl FnOnce(Fixture) + Send + 'static) -> Trial {
        let (runtime, compiler) = (self.runtime, self.compiler);
        let name = match compiler {
            Compiler::Baseline => format!("baseline::{name}"),
            _ => name,
        };
        Trial::test(name, move || {
            case(Fixture::new(runtime, compiler));
            Ok(())
        })
    }
}
