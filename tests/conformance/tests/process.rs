//! What becomes of a run when a host misbehaves: made-up hosts, in processes of their own as any other.

use std::process::ExitCode;
use std::time::Duration;

use enginebay_conformance::host::{Exchange, Host, Outcome, Plugin};
use enginebay_conformance::process::{self, Options};
use enginebay_conformance::report::{CaseOutcome, HostReport};
use enginebay_conformance::suite::Expected;
use enginebay_conformance::{Candidate, groups};
use libtest_mimic::{Arguments, Failed, Trial};

/// The cases that are run, and the one in which hosts misbehave.
const CASES: &str = "abi/0.2.1/proxy_get_log_level/*";
const BAD: &str = "abi/0.2.1/proxy_get_log_level/ok";

/// A host whose plugins do nothing, but for one case.
struct Fake {
    name: &'static str,
    misbehave: fn(),
}

struct Nothing(fn());

impl Host for Fake {
    fn name(&self) -> &str {
        self.name
    }

    fn load(&self, _: &[u8]) -> Result<Box<dyn Plugin>, String> {
        Ok(Box::new(Nothing(self.misbehave)))
    }
}

impl Plugin for Nothing {
    fn run(&self, exchange: &Exchange<'_>) -> Outcome {
        // The number of the case is all that tells a plugin which one it is.
        let dots = exchange.vm_configuration.rsplit(|byte| *byte != b'.').next();
        if dots.map(<[u8]>::len) == bad_number() {
            (self.0)();
        }
        Outcome::default()
    }
}

/// The number of the bad case in its group.
fn bad_number() -> Option<usize> {
    let group = groups()
        .into_iter()
        .find(|group| BAD.starts_with(&group.name()))?;
    let name = BAD.strip_prefix(&group.name())?.strip_prefix('/')?;
    group.cases().iter().position(|case| case.name == name)
}

fn fake(name: &'static str, misbehave: fn()) -> Candidate {
    Candidate::new(name, move || Ok(Box::new(Fake { name, misbehave })))
}

fn candidates() -> Vec<Candidate> {
    let fails = Expected {
        case: "abi/0.2.1/proxy_get_log_level/*",
        reason: "it does nothing",
    };
    #[cfg_attr(not(feature = "wasmi"), expect(unused_mut))]
    let mut candidates = vec![
        fake("quiet", || {}),
        fake("expected", || {}).expecting(&[fails]),
        fake("aborts", || {
            eprintln!("last words");
            std::process::abort()
        }),
        fake("leaves", || std::process::exit(0)),
        fake("hangs", || std::thread::sleep(Duration::from_secs(3600))),
        fake("panics", || panic!("no {}", "luck")),
        fake("prints", || {
            print!("\u{1}conformance garbage\n{{}} and no end of the line")
        }),
        Candidate::new("missing", || Err("it is not installed".to_owned())),
        Candidate::new("crashes", || std::process::abort()),
    ];
    #[cfg(feature = "wasmi")]
    candidates.push(wasmi());
    candidates
}

/// A real host, one of whose cases is expected to fail and does not.
#[cfg(feature = "wasmi")]
fn wasmi() -> Candidate {
    let make = || -> Result<Box<dyn Host>, String> {
        let registry = enginebay::registry().map_err(|error| error.to_string())?;
        let runtime = registry.iter().find(|runtime| runtime.name.ends_with(".wasmi"));
        let runtime = runtime.ok_or("wasmi is not linked in")?;
        Ok(Box::new(enginebay_conformance::EngineHost::new(*runtime)?))
    };
    Candidate::new("passes", make).expecting(&[Expected {
        case: BAD,
        reason: "for no reason",
    }])
}

fn run(name: &str, filter: &str, time_limit: Duration) -> HostReport {
    let candidates = candidates();
    let candidate = candidates.iter().find(|candidate| candidate.name() == name);
    let options = Options {
        filter: vec![filter.to_owned()],
        time_limit,
    };
    let mut told = 0;
    let report = process::run(candidate.expect("it is in the list"), &options, |_, _| told += 1);
    assert_eq!(told, report.cases.len());
    report
}

/// Names and outcomes of a run of [`CASES`].
fn outcomes(name: &str) -> Vec<(String, CaseOutcome)> {
    // Long enough for a process to start on a busy machine.
    let limit = Duration::from_secs(if name == "hangs" { 8 } else { 60 });
    let report = run(name, CASES, limit);
    report
        .cases
        .into_iter()
        .map(|case| (case.name, case.outcome))
        .collect()
}

fn why(outcomes: &[(String, CaseOutcome)], name: &str) -> String {
    match outcomes.iter().find(|(case, _)| case == name) {
        Some((_, CaseOutcome::Failed { why })) => why.clone(),
        other => panic!("{other:?}"),
    }
}

/// One case fails with this, and all others run to the same end as on a host that only does nothing.
fn only_one_differs(name: &'static str, with: &'static str) -> Trial {
    Trial::test(name, move || {
        let (found, quiet) = (outcomes(name), outcomes("quiet"));
        assert!(found.len() > 2, "{found:?}");
        assert!(why(&found, BAD).contains(with), "{found:?}");
        let others = |all: Vec<(String, CaseOutcome)>| -> Vec<_> {
            all.into_iter().filter(|(case, _)| case != BAD).collect()
        };
        assert_eq!(others(found), others(quiet));
        Ok::<_, Failed>(())
    })
}

fn alone(name: &'static str, with: &'static str) -> Trial {
    Trial::test(name, move || {
        let found = outcomes(name);
        assert_eq!(found.len(), 1);
        assert!(why(&found, "host").contains(with), "{found:?}");
        Ok(())
    })
}

fn main() -> ExitCode {
    if let Some(code) = process::be_worker(&candidates()) {
        return code;
    }
    let mut trials = vec![
        only_one_differs("aborts", "last words"),
        only_one_differs("leaves", "the process ended: exit status: 0"),
        only_one_differs("hangs", "took more than 8 s"),
        only_one_differs("panics", "panicked: no luck"),
        alone("missing", "it is not installed"),
        alone("crashes", "the process ended"),
    ];
    trials.push(Trial::test("prints", || {
        assert_eq!(outcomes("prints"), outcomes("quiet"));
        Ok(())
    }));
    trials.push(Trial::test("expected", || {
        let report = run("expected", CASES, Duration::from_secs(60));
        assert_eq!(report.failures(), [""; 0]);
        assert_eq!(report.expected_failures, report.cases.len());
        assert!(report.expected_failures > 2);
        Ok(())
    }));
    trials.push(Trial::test("no_case", || {
        assert_eq!(
            run("quiet", "abi/nothing", Duration::from_secs(60)),
            HostReport::default()
        );
        Ok(())
    }));
    trials.push(Trial::test("list", || {
        let all = candidates();
        let list = |name: &str| {
            let candidate = all.iter().find(|candidate| candidate.name() == name);
            process::list(candidate.expect("it is in the list"), Duration::from_secs(60))
        };
        let names: Vec<String> = list("quiet")?.into_iter().map(|case| case.name).collect();
        assert!(names.iter().any(|name| name == BAD));
        assert!(names.len() > 400, "{}", names.len());
        assert_eq!(list("missing"), Err("it is not installed".to_owned()));
        assert!(list("crashes").is_err_and(|why| why.contains("the process ended")));
        Ok(())
    }));
    // On a real host, as a made-up one passes nothing.
    #[cfg(feature = "wasmi")]
    trials.push(Trial::test("passes", || {
        let outcomes = outcomes("passes");
        assert!(outcomes.len() > 2);
        for (name, outcome) in outcomes {
            let found = match outcome {
                CaseOutcome::Passed => name != BAD,
                CaseOutcome::Failed { why } => {
                    name == BAD && why == "passed, though it was expected to fail: for no reason"
                }
                _ => false,
            };
            assert!(found, "{name}");
        }
        Ok(())
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
