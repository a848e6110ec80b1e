//! The servers that are compared, and how they are started.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The runtimes of enginebay that are compared with Envoy's V8.
pub const RUNTIMES: [&str; 4] = ["wasmtime", "wasmer", "wasmi", "wamr"];

/// A server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    /// Envoy, by the path of its program.
    Envoy(PathBuf),
    /// `enginebay serve`, by the path of the program, and a runtime's short name.
    Enginebay(PathBuf, String),
}

impl Host {
    /// What it is called in reports.
    pub fn name(&self) -> &str {
        match self {
            Host::Envoy(_) => "envoy",
            Host::Enginebay(_, runtime) => runtime,
        }
    }

    /// The runtime in the configuration.
    pub(crate) fn runtime(&self) -> String {
        match self {
            Host::Envoy(_) => "envoy.wasm.runtime.v8".to_owned(),
            Host::Enginebay(_, runtime) => format!("envoy.wasm.runtime.{runtime}"),
        }
    }

    /// The command that serves a configuration, with one worker and all that plugins log.
    pub(crate) fn command(&self, config: &Path) -> Command {
        let mut command = match self {
            Host::Envoy(program) => {
                let mut command = Command::new(program);
                // Several run at once, and share nothing.
                command.arg("--disable-hot-restart");
                command.args(["--log-format", "[%l][%n] %v"]);
                command
            }
            Host::Enginebay(program, _) => {
                let mut command = Command::new(program);
                command.arg("serve");
                command
            }
        };
        command.arg("-c").arg(config).args([
            "--concurrency",
            "1",
            "--admin-address-path",
            "admin",
            "--log-level",
            "warning",
            "--component-log-level",
            "wasm:debug",
        ]);
        command
    }
}
