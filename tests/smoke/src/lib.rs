//! The guests of this project on every runtime that is linked in: the same exchange, the same words.
//!
//! A [`Case`] is a guest, what it is given, and the page that an exchange with it must give: what it logged, what it told
//! the host to do, the messages as it left them, and how it failed. On a runtime of native plugins the guest is the same
//! source, compiled natively.

#![forbid(unsafe_code)]

mod cases;
mod exchange;
mod loader;
#[cfg(feature = "null")]
mod native;
#[cfg(feature = "null")]
mod native_type;
mod page;
mod tcp;
mod together;
mod upstreams;

use std::sync::Arc;
use std::time::Duration;

use enginebay::engine::Runtime;
use libtest_mimic::{Failed, Trial};

pub use cases::{CALLS, CASES, Case, Code, Given, Needs, SDKS};
pub use upstreams::{Answer, Named};

use loader::Loader;

/// One thing that is asked of a runtime.
pub struct Check {
    name: &'static str,
    lacks: Option<&'static str>,
    run: Box<dyn Fn() -> Result<(), Failed> + Send + Sync>,
}

impl Check {
    fn new(name: &'static str, run: impl Fn() -> Result<(), Failed> + Send + Sync + 'static) -> Self {
        Check {
            name,
            lacks: None,
            run: Box::new(run),
        }
    }

    /// The name, such as `add_header`. It stays what it is.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Why the runtime need not be asked.
    pub fn lacks(&self) -> Option<&'static str> {
        self.lacks
    }

    /// Runs it.
    ///
    /// # Errors
    /// What was wrong.
    pub fn run(&self) -> Result<(), String> {
        (self.run)().map_err(|failed| failed.message().unwrap_or("failed").to_owned())
    }
}

/// All cases, for a runtime.
pub fn checks(runtime: Runtime) -> Vec<Check> {
    // Growing memory takes a slow engine its time on a busy machine, and what runs for ever is to be over soon.
    let [loader, brief] = [Duration::from_secs(10), Duration::from_millis(300)]
        .map(|call_time| Arc::new(Loader::new(runtime, call_time)));
    let case = |case: &'static Case| {
        let loader = match case.needs {
            Needs::TimeLimit => brief.clone(),
            _ => loader.clone(),
        };
        Check {
            lacks: case.lacks(&runtime),
            ..Check::new(case.name, move || check(&loader, case))
        }
    };
    let mut checks: Vec<Check> = CASES.iter().chain(CALLS).chain(SDKS).map(case).collect();
    checks.extend(together::checks(&loader));
    checks.extend(tcp::checks(&loader));
    #[cfg(feature = "null")]
    if !runtime.capabilities.sandbox {
        checks.push(native_type::check_of(&loader));
    }
    checks
}

/// All cases on all runtimes that are linked in.
///
/// # Panics
/// When two linked crates claim one name.
pub fn trials() -> Vec<Trial> {
    let registry = enginebay::registry().expect("each runtime has a name of its own");
    let runtimes = registry.iter().copied();
    runtimes
        .flat_map(|runtime| {
            let short = runtime.name.rsplit('.').next().unwrap_or(runtime.name);
            checks(runtime).into_iter().map(move |check| trial(short, check))
        })
        .collect()
}

fn trial(runtime: &str, check: Check) -> Trial {
    let name = format!("{runtime}::{}", check.name);
    let lacks = check.lacks;
    let trial = Trial::test(name, move || (check.run)());
    match lacks {
        Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
        None => trial,
    }
}

fn check(loader: &Loader, case: &Case) -> Result<(), Failed> {
    // Twice: what one VM leaves behind must not be seen by the next one.
    for round in ["first", "second"] {
        let page = exchange::run(loader, case)?.to_string();
        same(&page, case.page).map_err(|wrong| format!("{round} round:\n{wrong}"))?;
    }
    Ok(())
}

/// Compares what a page shows with what it must show.
fn same(page: &str, expected: &str) -> Result<(), String> {
    let expected = expected.trim();
    match page.trim_end() == expected {
        true => Ok(()),
        false => Err(format!("--- expected\n{expected}\n--- got\n{page}")),
    }
}
