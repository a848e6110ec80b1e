//! The time from start to the first answer.

use std::path::Path;

use anyhow::{Context, Result};
use serde::Serialize;

use super::config::{Filters, bootstrap};
use super::programs::{Code, Programs};
use super::server::{Program, Server};
use super::{Args, report};

/// Milliseconds from start to the first answer, of one server with one plugin.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Starts {
    pub plugin: &'static str,
    pub server: String,
    pub ms: Vec<f64>,
    /// What the median may be at most.
    pub budget: Option<f64>,
}

impl Starts {
    pub(super) fn median(&self) -> Option<f64> {
        report::median(&self.ms)
    }

    pub(super) fn over_budget(&self) -> bool {
        matches!((self.median(), self.budget), (Some(median), Some(budget)) if median > budget)
    }
}

/// Starts each server in turn, as often as there are rounds. They have all processors.
pub(super) fn measure(args: &Args, programs: &Programs, rounds: u32) -> Result<Vec<Starts>> {
    let cache = tempfile::tempdir()?;
    let with = |more: &[String]| {
        let mut program = programs.unpinned(false);
        let folder = cache.path().display().to_string();
        program
            .more
            .extend(more.iter().map(|word| word.replace("{}", &folder)));
        program
    };
    let mut servers: Vec<(&str, &str, Program)> = vec![
        ("Envoy v8", "v8", programs.unpinned(true)),
        ("enginebay wasmtime", "wasmtime", with(&[])),
    ];
    if !args.cold_arg.is_empty() {
        servers.push((COLD, "wasmtime", with(&args.cold_arg)));
    }
    if !args.warm_arg.is_empty() {
        servers.push((WARM, "wasmtime", with(&args.warm_arg)));
    }
    let (small, large) = (
        programs.code(Code::Module("header_filter")),
        programs.code(Code::Large),
    );
    let plugins: [(&'static str, Option<&Path>); 3] =
        [("none", None), ("140 KB", Some(&small)), (LARGE, Some(&large))];
    let mut all = Vec::new();
    for (plugin, code) in plugins {
        let configs: Vec<String> = servers
            .iter()
            .map(|(_, runtime, _)| {
                let filters = code.map(|code| Filters {
                    runtime,
                    code,
                    count: 1,
                });
                bootstrap(filters.as_ref())
            })
            .collect();
        let first = all.len();
        for (name, _, _) in &servers {
            all.push(Starts {
                plugin,
                server: (*name).to_owned(),
                ms: Vec::new(),
                budget: budget(plugin, name),
            });
        }
        // The first time fills what there is to fill: the page cache, and the code cache.
        for round in 0..=rounds {
            for (index, ((name, _, program), config)) in servers.iter().zip(&configs).enumerate() {
                let server = Server::start(program, config)
                    .with_context(|| format!("{name} with {plugin} as the plugin"))?;
                if round > 0 {
                    all[first + index].ms.push(server.ready.as_secs_f64() * 1e3);
                }
            }
        }
    }
    Ok(all)
}

const COLD: &str = "enginebay wasmtime, baseline";
const WARM: &str = "enginebay wasmtime, warm";
const LARGE: &str = "1.3 MB";

/// Asked of the large module alone.
fn budget(plugin: &str, server: &str) -> Option<f64> {
    match (plugin, server) {
        (LARGE, WARM) => Some(100.0),
        (LARGE, COLD) => Some(250.0),
        _ => None,
    }
}
