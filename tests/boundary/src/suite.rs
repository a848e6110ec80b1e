//! The list of cases.

use enginebay_engine::Runtime;
use libtest_mimic::Trial;

use crate::fixture::Fixture;

pub(crate) struct Suite {
    runtime: &'static Runtime,
    trials: Vec<Trial>,
}

impl Suite {
    pub(crate) fn new(runtime: &'static Runtime) -> Self {
        Suite {
            runtime,
            trials: Vec::new(),
        }
    }

    pub(crate) fn runtime(&self) -> &'static Runtime {
        self.runtime
    }

    /// Adds a case for every runtime.
    pub(crate) fn add(&mut self, name: impl Into<String>, case: impl FnOnce(Fixture) + Send + 'static) {
        self.trials.push(trial(self.runtime, name.into(), case));
    }

    /// Adds a case for runtimes with a capability; elsewhere it is listed as ignored, with `without` as the reason.
    pub(crate) fn add_if(
        &mut self,
        capable: bool,
        without: &str,
        name: &str,
        case: impl FnOnce(Fixture) + Send + 'static,
    ) {
        let trial = trial(self.runtime, name.to_owned(), case);
        self.trials.push(if capable {
            trial
        } else {
            trial.with_kind(without).with_ignored_flag(true)
        });
    }

    pub(crate) fn into_trials(self) -> Vec<Trial> {
        self.trials
    }
}

fn trial(runtime: &'static Runtime, name: String, case: impl FnOnce(Fixture) + Send + 'static) -> Trial {
    Trial::test(name, move || {
        case(Fixture::new(runtime));
        Ok(())
    })
}
