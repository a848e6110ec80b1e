//! The server against what Envoy answered. `cargo xtask parity` asks Envoy itself, and all runtimes.

use std::path::{Path, PathBuf};

use enginebay_parity::{Options, run};

use crate::runtimes::any_runtime;

#[test]
fn the_server_answers_as_envoy_did() {
    let runtime = any_runtime();
    let short = runtime.rsplit('.').next().unwrap_or(runtime);
    let report = run(&Options {
        root: Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."),
        envoy: None,
        server: PathBuf::from(env!("CARGO_BIN_EXE_enginebay")),
        runtimes: vec![short.to_owned()],
        filter: Vec::new(),
        jobs: 2,
        write: false,
    })
    .unwrap();
    assert!(!report.has_failed(), "{report}");
}
