//! The soak, for some seconds. `cargo xtask soak` runs it for minutes.

use std::path::PathBuf;
use std::time::Duration;

use enginebay_soak::{Options, run};

use crate::runtimes::any_runtime;

#[test]
fn nothing_is_left_of_mixed_load() {
    let verdict = run(&Options {
        server: PathBuf::from(env!("CARGO_BIN_EXE_enginebay")),
        runtime: any_runtime().to_owned(),
        time: Duration::from_secs(10),
        connections: 16,
        seed: 1,
    })
    .unwrap();
    assert!(verdict.is_ok(), "{verdict}");
}
