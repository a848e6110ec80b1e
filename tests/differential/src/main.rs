//! Compares engines for some time, or for a number of cases.

#![forbid(unsafe_code)]

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use enginebay_differential::{Kind, Lab};

/// Play random sequences of callbacks and host calls, and random modules, on every engine, and compare what can be seen.
#[derive(Debug, Parser)]
struct Args {
    /// The seed of the first case; each further one is the next number.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Cases of each kind. Default 1000, or as many as there is time for.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Minutes for each kind.
    #[arg(long, value_name = "N")]
    minutes: Option<f64>,
    /// Runtimes to compare, each with the first; all that are linked in if none is named.
    #[arg(long = "runtime", value_name = "NAME")]
    runtimes: Vec<String>,
    /// `scripts` or `modules`; both if none is named.
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<Kind>,
    /// Go on after a difference, up to this many.
    #[arg(long, value_name = "N", default_value_t = 1)]
    differences: u64,
    /// Name each seed before its case is played: the last one is that of a crash.
    #[arg(long)]
    verbose: bool,
    /// Show what happens in the case of the first seed on the first runtime, and end.
    #[arg(long)]
    trace: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<u64> {
    let lab = Lab::of(&enginebay::registry()?, &args.runtimes)?;
    let kinds = match args.kinds.as_slice() {
        [] => &Kind::ALL[..],
        kinds => kinds,
    };
    if args.trace {
        for kind in kinds {
            println!("{}", lab.trace(*kind, args.seed));
        }
        return Ok(0);
    }
    let time = args
        .minutes
        .and_then(|minutes| Duration::try_from_secs_f64(minutes * 60.0).ok());
    let most = args.count.unwrap_or(if time.is_some() { u64::MAX } else { 1000 });
    let mut differences = 0;
    for kind in kinds {
        let start = Instant::now();
        let mut played = 0;
        let mut said = start;
        while played < most
            && time.is_none_or(|time| start.elapsed() < time)
            && differences < args.differences
        {
            let seed = args.seed.wrapping_add(played);
            if args.verbose {
                eprintln!("{kind}: seed {seed}");
            }
            if let Some(difference) = lab.check(*kind, seed) {
                println!("{difference}");
                differences += 1;
            }
            played += 1;
            if said.elapsed() > Duration::from_secs(30) {
                said = Instant::now();
                eprintln!("{kind}: {played} cases so far, the last of seed {seed}");
            }
        }
        println!(
            "{kind}: {played} cases from seed {} on {} runtimes in {:.0} s",
            args.seed,
            lab.subjects().len(),
            start.elapsed().as_secs_f64()
        );
    }
    println!("{differences} differences");
    Ok(differences)
}
