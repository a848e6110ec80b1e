//! Runs the cases of each host in a process of their own, so that a crash is one case that failed, and not the end of the
//! run.

mod supervisor;
mod worker;

use serde::{Deserialize, Serialize};

use crate::report::CaseReport;

pub use supervisor::{Options, list, run};
pub use worker::be_worker;

/// In a worker's environment: which host it is for.
const HOST: &str = "ENGINEBAY_CONFORMANCE_HOST";
/// In a worker's environment: the number of the case that it begins with.
const FROM: &str = "ENGINEBAY_CONFORMANCE_FROM";
/// In a worker's environment: names of cases, one pattern in a line; a case must match one of them.
const FILTER: &str = "ENGINEBAY_CONFORMANCE_FILTER";
/// In a worker's environment: set if the cases are to be listed, not run.
const LIST: &str = "ENGINEBAY_CONFORMANCE_LIST";

/// A case of a host that was not run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Its name.
    pub name: String,
    /// Why the host need not be asked.
    pub lacks: Option<String>,
}

/// What a line of a worker's output starts with; others are what a library printed.
const MARK: &str = "\u{1}conformance ";

/// What a worker tells.
#[derive(Debug, Serialize, Deserialize)]
enum Message {
    /// So many cases there are for the host.
    Cases(usize),
    /// The case with this number and name begins.
    Begin(usize, String),
    /// It is over.
    End(CaseReport),
    /// All cases there are for the host.
    Listed(Vec<Listed>),
    /// The host can't be made.
    Broken(String),
}
