//! Figures that are no times, left where criterion leaves its own: `cargo xtask bench` reads both in the same way.

use std::path::PathBuf;

/// Whether somebody measures, and does not only try whether the benchmarks run.
pub fn wanted() -> bool {
    folder().is_some() && std::env::args().any(|argument| argument == "--bench")
}

fn folder() -> Option<PathBuf> {
    std::env::var_os("CRITERION_HOME").map(PathBuf::from)
}

/// Writes one, if `CRITERION_HOME` says where to.
///
/// # Panics
/// When the file can't be written.
pub fn write(group: &str, name: &str, value: f64) {
    let Some(folder) = folder() else { return };
    let folder = folder.join(group).join(name).join("new");
    std::fs::create_dir_all(&folder).expect("results can be written");
    let json = format!(r#"{{"median":{{"point_estimate":{value}}}}}"#);
    std::fs::write(folder.join("estimates.json"), json).expect("results can be written");
}
