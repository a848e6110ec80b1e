//! What the tests share.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "every test file uses its own part of it"
)]

pub mod envoy;

use std::io;
use std::path::Path;

use enginebay_config::{Outside, Problem, load_bootstrap, load_plugin};

/// An outside with two variables and one file.
pub struct Fixed;

impl Outside for Fixed {
    fn variable(&self, name: &str) -> Option<String> {
        match name {
            "ZONE" => Some("a".to_owned()),
            "HOME_PLANET" => Some("earth".to_owned()),
            _ => None,
        }
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        if path == Path::new("body.txt") {
            Ok(b"from a file".to_vec())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }
}

/// The same, keeping the warnings it is told of.
#[derive(Default)]
pub struct Noting(std::cell::RefCell<Vec<String>>);

impl Outside for Noting {
    fn variable(&self, name: &str) -> Option<String> {
        Fixed.variable(name)
    }

    fn file(&self, path: &Path) -> io::Result<Vec<u8>> {
        Fixed.file(path)
    }

    fn warn(&self, file: &str, warning: &Problem) {
        self.0.borrow_mut().push(format!("{file}: {warning}"));
    }
}

impl Noting {
    /// The warnings.
    pub fn warnings(self) -> Vec<String> {
        self.0.into_inner()
    }
}

pub const BOOTSTRAP: &str = include_str!("../data/envoy.yaml");
pub const MINIMAL: &str = include_str!("../data/minimal.yaml");

/// `text` with the one place that says `from` saying `to`.
pub fn changed(text: &str, from: &str, to: &str) -> String {
    assert_eq!(text.matches(from).count(), 1, "`{from}` must be there once");
    text.replacen(from, to, 1)
}

/// The problems of a bootstrap, without their lines.
pub fn bootstrap_problems(text: &str) -> Vec<String> {
    let error = load_bootstrap(text, "envoy.yaml", &Fixed).expect_err("this configuration must be refused");
    error
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect()
}

/// The problems of a plugin, without their lines.
pub fn plugin_problems(text: &str) -> Vec<String> {
    let error = load_plugin(text, "plugin.yaml", &Fixed).expect_err("this configuration must be refused");
    error
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.path, problem.message))
        .collect()
}
