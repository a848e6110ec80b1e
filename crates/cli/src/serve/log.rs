//! The log: one line per message on the standard error, `[time][level][target] message`.

use std::fmt;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Envoy's names of the levels. `critical` shows errors too: `tracing` has no level above them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    #[value(alias = "warn")]
    Warning,
    Error,
    Critical,
    Off,
}

/// A part of the process whose messages have a level of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Component {
    /// What the targets of its messages begin with.
    target: &'static str,
    level: Level,
}

impl std::str::FromStr for Component {
    type Err = String;

    /// `wasm:debug`, with Envoy's words for what is wrong.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, level) = text
            .split_once(':')
            .ok_or_else(|| format!("component log level not correctly specified '{text}'"))?;
        let target = match name {
            "main" => "enginebay",
            "wasm" => "wasm",
            other => QUIET.into_iter().find(|quiet| *quiet == other).ok_or_else(|| {
                format!(
                    "invalid component specified '{name}': there are main, wasm, {}",
                    QUIET.join(", ")
                )
            })?,
        };
        let level = <Level as clap::ValueEnum>::from_str(level, false)
            .map_err(|_| format!("invalid log level specified '{level}'"))?;
        Ok(Component { target, level })
    }
}

/// Libraries whose own messages are of use only when something is wrong.
const QUIET: [&str; 8] = [
    "h2",
    "hyper",
    "hyper_util",
    "mio",
    "wasmtime",
    "cranelift",
    "regalloc2",
    "wasmi",
];

/// Sends all messages of the process to the standard error. Where a log is already set up, that one stays.
pub(crate) fn start(level: Level, components: &[Component]) {
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(Line);
    let _ = tracing_subscriber::registry()
        .with(targets(level, components))
        .with(lines)
        .try_init();
}

fn filter(level: Level) -> LevelFilter {
    match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error | Level::Critical => LevelFilter::ERROR,
        Level::Off => LevelFilter::OFF,
    }
}

/// Who may log what.
fn targets(level: Level, components: &[Component]) -> Targets {
    let level = filter(level);
    let mut targets = Targets::new().with_default(level);
    for name in QUIET {
        targets = targets.with_target(name, level.min(LevelFilter::WARN));
    }
    for Component { target, level } in components {
        targets = targets.with_target(*target, filter(*level));
    }
    targets
}

struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let metadata = event.metadata();
        let level = match *metadata.level() {
            tracing::Level::TRACE => "trace",
            tracing::Level::DEBUG => "debug",
            tracing::Level::INFO => "info",
            tracing::Level::WARN => "warning",
            tracing::Level::ERROR => "error",
        };
        let target = match metadata.target() {
            own if own.starts_with("enginebay") => "main",
            other => other.split("::").next().unwrap_or(other),
        };
        out.write_char('[')?;
        SystemTime.format_time(&mut out)?;
        write!(out, "][{level}][{target}] ")?;
        context.format_fields(out.by_ref(), event)?;
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Result<Vec<Component>, String> {
        text.split(',').map(str::parse).collect()
    }

    #[test]
    fn components_have_levels_of_their_own() {
        let components = all("wasm:debug,main:off,h2:trace").unwrap();
        let targets = targets(Level::Warning, &components);
        let may = |target, level| targets.would_enable(target, &level);
        assert!(may("wasm", tracing::Level::DEBUG));
        assert!(!may("wasm", tracing::Level::TRACE));
        assert!(!may("enginebay_http::chain", tracing::Level::ERROR));
        assert!(may("h2::frame", tracing::Level::TRACE));
        assert!(may("tonic", tracing::Level::WARN));
        assert!(!may("tonic", tracing::Level::INFO));
    }

    #[test]
    fn what_is_wrong_is_said_as_envoy_says_it() {
        let cases = [
            ("wasm", "component log level not correctly specified 'wasm'"),
            ("wasm:loud", "invalid log level specified 'loud'"),
            (
                "nothing:info",
                "invalid component specified 'nothing': there are main, wasm, h2",
            ),
        ];
        for (text, expected) in cases {
            let error = all(text).unwrap_err();
            assert!(error.starts_with(expected), "{error}");
        }
    }
}
