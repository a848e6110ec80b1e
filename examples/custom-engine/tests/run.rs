//! Runs the program as a user would.

use std::process::Command;

#[test]
fn it_counts_the_calls_of_a_plugin() {
    let output = Command::new(env!("CARGO_BIN_EXE_enginebay-custom-engine"))
        .arg(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../tests/guests/wasm/add_header.wasm"
        ))
        .output()
        .unwrap();
    let out = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{out}");
    let counts: Vec<u64> = out
        .lines()
        .map(|line| line.rsplit(' ').next().unwrap().parse().unwrap())
        .collect();
    // _initialize, context create, VM start and configure; it logs that it was configured, and asks for the configuration.
    assert!(counts[0] >= 4 && counts[1] >= 2, "{out}");
}
