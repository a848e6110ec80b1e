//! The same random sequences of callbacks and host calls, and the same random modules, on every engine of WebAssembly: what
//! the host, the guest and its memory see must be the same.
//!
//! [`Lab`] has the engines that are compared; [`Lab::check`] plays the case of a seed on each and, where one differs, makes
//! the case as small as it gets.

#![forbid(unsafe_code)]

mod embedder;
mod encode;
mod generate;
mod guest;
mod layout;
mod modules;
mod play;
mod probe;
mod report;
mod script;
mod shrink;
mod smaller;
mod subject;
mod trace;
mod upstreams;

use std::fmt;
use std::str::FromStr;

pub use modules::ModuleCase;
pub use report::Difference;
pub use script::ScriptCase;
pub use shrink::Lab;
pub use subject::Subject;
pub use trace::{Line, Trace};

/// What cases there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sequences of callbacks, in which guests call host functions.
    Scripts,
    /// Random modules, and calls of their exports.
    Modules,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 2] = [Kind::Scripts, Kind::Modules];
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Kind::Scripts => "scripts",
            Kind::Modules => "modules",
        })
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Kind::ALL.into_iter().find(|kind| kind.to_string() == name);
        found.ok_or_else(|| format!("there is no kind {name}: there are scripts and modules"))
    }
}
