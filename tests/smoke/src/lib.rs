//! The guests of this project on every runtime that is linked in: the same exchange, the same words.
//!
//! A [`Case`] is a guest, what it is given, and the page that an exchange with it must give: what it logged, what it told
//! the host to do, the messages as it left them, and how it failed. On a runtime of native plugins the guest is the same
//! source, compiled natively.

#![forbid(unsafe_code)]

mod cases;
mod exchange;
#[cfg(feature = "null")]
mod native;
#[cfg(feature = "null")]
mod native_type;
mod page;
mod together;
mod upstreams;

use std::sync::Arc;

use enginebay::engine::{Engine, Runtime};
use enginebay::{EngineOptions, Limits};
use libtest_mimic::{Failed, Trial};

pub use cases::{CALLS, CASES, Case, Code, Given, Needs};
pub use upstreams::{Answer, Named};

/// All cases on all runtimes.
///
/// # Panics
/// When two linked crates claim one name.
pub fn trials() -> Vec<Trial> {
    let registry = enginebay::registry().expect("each runtime has a name of its own");
    let runtimes = registry.iter().copied();
    runtimes
        .flat_map(|runtime| {
            let cases = CASES.iter().chain(CALLS).map(move |case| trial(runtime, case));
            let others = together::trials(runtime);
            #[cfg(feature = "null")]
            let others = others.chain(native_type::trial(runtime));
            cases.chain(others)
        })
        .collect()
}

fn trial(runtime: Runtime, case: &'static Case) -> Trial {
    let trial = Trial::test(name(&runtime, case.name), move || check(&runtime, case));
    match case.lacks(&runtime) {
        Some(reason) => trial.with_kind(reason).with_ignored_flag(true),
        None => trial,
    }
}

fn name(runtime: &Runtime, case: &str) -> String {
    let short = runtime.name.rsplit('.').next().unwrap_or(runtime.name);
    format!("{short}::{case}")
}

fn engine(runtime: &Runtime) -> Result<Arc<dyn Engine>, Failed> {
    let limits = Limits {
        call_time: runtime
            .capabilities
            .time_limit
            .then_some(std::time::Duration::from_millis(300)),
        ..Limits::default()
    };
    let mut options = EngineOptions::with_limits(limits);
    options.max_instances = 4;
    Ok(runtime.create(&options)?)
}

fn check(runtime: &Runtime, case: &Case) -> Result<(), Failed> {
    let engine = engine(runtime)?;
    let code = case.code.read(&*engine)?;
    // Twice: what one VM leaves behind must not be seen by the next one.
    for round in ["first", "second"] {
        let page = exchange::run(&*engine, &code, &case.given)?.to_string();
        if page.trim_end() != case.page.trim() {
            return Err(format!(
                "{round} round:\n--- expected\n{}\n--- got\n{page}",
                case.page.trim()
            )
            .into());
        }
    }
    Ok(())
}
