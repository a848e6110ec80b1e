//! The list of cases.

use std::panic::{AssertUnwindSafe, catch_unwind};

use enginebay_engine::{Capabilities, Compiler, Runtime};

use crate::fixture::Fixture;

/// One thing that is asked of an engine.
pub struct Case {
    name: String,
    lacks: Option<&'static str>,
    cannot: Option<&'static str>,
    run: Box<dyn Fn() + Send + Sync>,
}

impl Case {
    /// The name, such as `calls/has_export` or `baseline/traps/unreachable`. It stays what it is.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Why the runtime need not be asked: it is not about what the runtime says that it can do.
    pub fn lacks(&self) -> Option<&'static str> {
        self.lacks
    }

    /// What the runtime says that it can't do, and users miss. The case can be run, and fails.
    pub fn cannot(&self) -> Option<&'static str> {
        self.cannot
    }

    /// Runs it.
    ///
    /// # Errors
    /// What was wrong.
    pub fn run(&self) -> Result<(), String> {
        // What the case was at is not used again.
        catch_unwind(AssertUnwindSafe(|| (self.run)())).map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            text.unwrap_or("a panic without a message").to_owned()
        })
    }
}

/// Collects the cases for one runtime and compiler.
pub(crate) struct Suite {
    runtime: Runtime,
    compiler: Compiler,
    cases: Vec<Case>,
}

impl Suite {
    pub(crate) fn new(runtime: Runtime, compiler: Compiler) -> Self {
        Suite {
            runtime,
            compiler,
            cases: Vec::new(),
        }
    }

    /// What can be asked of the runtime with the suite's compiler.
    pub(crate) fn capabilities(&self) -> Capabilities {
        match self.compiler {
            Compiler::Baseline => {
                let all = self.runtime.capabilities;
                all.with_simd(all.baseline_simd)
            }
            _ => self.runtime.capabilities,
        }
    }

    /// Adds a case for every runtime.
    pub(crate) fn add(&mut self, name: impl Into<String>, case: impl Fn(Fixture) + Send + Sync + 'static) {
        self.push(name.into(), None, None, case);
    }

    /// Adds a case that is about what some runtimes have. Those without it need not be asked, because of `without`.
    pub(crate) fn add_if(
        &mut self,
        has: bool,
        without: &'static str,
        name: impl Into<String>,
        case: impl Fn(Fixture) + Send + Sync + 'static,
    ) {
        self.push(name.into(), (!has).then_some(without), None, case);
    }

    /// Adds a case that runtimes with a gap fail.
    pub(crate) fn add_unless_cannot(
        &mut self,
        can: bool,
        cannot: &'static str,
        name: impl Into<String>,
        case: impl Fn(Fixture) + Send + Sync + 'static,
    ) {
        self.push(name.into(), None, (!can).then_some(cannot), case);
    }

    pub(crate) fn into_cases(self) -> Vec<Case> {
        self.cases
    }

    fn push(
        &mut self,
        name: String,
        lacks: Option<&'static str>,
        cannot: Option<&'static str>,
        case: impl Fn(Fixture) + Send + Sync + 'static,
    ) {
        let (runtime, compiler) = (self.runtime, self.compiler);
        let name = match compiler {
            Compiler::Baseline => format!("baseline/{name}"),
            _ => name,
        };
        self.cases.push(Case {
            name,
            lacks,
            cannot,
            run: Box::new(move || case(Fixture::new(runtime, compiler))),
        });
    }
}
