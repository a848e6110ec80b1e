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
pub(crate) fn start(level: Level) {
    let level = match level {
        Level::Trace => LevelFilter::TRACE,
        Level::Debug => LevelFilter::DEBUG,
        Level::Info => LevelFilter::INFO,
        Level::Warning => LevelFilter::WARN,
        Level::Error | Level::Critical => LevelFilter::ERROR,
        Level::Off => LevelFilter::OFF,
    };
    let mut targets = Targets::new().with_default(level);
    for name in QUIET {
        targets = targets.with_target(name, level.min(LevelFilter::WARN));
    }
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .event_format(Line);
    let _ = tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init();
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
