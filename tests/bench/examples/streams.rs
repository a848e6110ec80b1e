//! Runs streams through one guest on one runtime and ends: `streams RUNTIME GUEST COUNT`.
//!
//! `cargo xtask guard` counts its instructions.

use std::process::ExitCode;

use enginebay_bench::guests::WORKLOADS;
use enginebay_bench::stream::{Streams, engine_for};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [runtime, guest, count] = &args[..] else {
        eprintln!("usage: streams RUNTIME GUEST COUNT");
        return ExitCode::FAILURE;
    };
    let workload = WORKLOADS
        .into_iter()
        .find(|workload| workload.guest.name == guest);
    let (Some(workload), Ok(count)) = (workload, count.parse::<u32>()) else {
        eprintln!("there is no such guest, or no such number");
        return ExitCode::FAILURE;
    };
    // Valgrind has little address space to give.
    let engine = engine_for(runtime, 2);
    let mut streams = Streams::on(&*engine, workload);
    let good = (0..count).all(|_| streams.run() == workload.headers);
    if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
