//! The same plugins, configurations and requests on Envoy and on `enginebay serve`, and whether they do the same.
//!
//! Cases are data (`cases/AREA/NAME.toml`, see [`case::Case`]), and so is what Envoy answered to each when somebody wrote it
//! down (`answers/AREA/NAME.txt`), so that runs without an Envoy compare with that. What differs on purpose is a row of
//! `docs/envoy-differences.md`, which the case names.
#![forbid(unsafe_code)]

mod answer;
mod body;
pub mod case;
mod client;
mod compare;
mod config;
mod corpus;
mod exchange;
mod headers;
mod host;
mod log;
mod report;
mod run;
mod server;
mod upstream;

pub use answer::Answer;
pub use compare::compare;
pub use corpus::Corpus;
pub use headers::NOT_COMPARED;
pub use host::{Host, RUNTIMES};
pub use report::{Format, Report, Row, Verdict};
pub use run::{Options, run};
