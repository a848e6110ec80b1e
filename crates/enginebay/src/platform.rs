//! A platform made of the standard library.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use enginebay_abi::LogLevel;
use enginebay_host::{ForeignFunctions, LogRecord, Platform};

/// The system's clocks and randomness, Envoy's foreign functions, and `tracing` (target `wasm`) for the log, which Envoy's
/// `critical` reaches as an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdPlatform;

/// The target of plugins' log messages.
const TARGET: &str = "wasm";

fn started() -> Instant {
    static STARTED: OnceLock<Instant> = OnceLock::new();
    *STARTED.get_or_init(Instant::now)
}

impl Platform for StdPlatform {
    fn log_level(&self) -> LogLevel {
        if tracing::enabled!(target: TARGET, tracing::Level::TRACE) {
            LogLevel::Trace
        } else if tracing::enabled!(target: TARGET, tracing::Level::DEBUG) {
            LogLevel::Debug
        } else if tracing::enabled!(target: TARGET, tracing::Level::INFO) {
            LogLevel::Info
        } else if tracing::enabled!(target: TARGET, tracing::Level::WARN) {
            LogLevel::Warn
        } else {
            LogLevel::Error
        }
    }

    fn log(&self, record: &LogRecord<'_>) {
        match record.level {
            LogLevel::Trace => tracing::trace!(target: TARGET, "{record}"),
            LogLevel::Debug => tracing::debug!(target: TARGET, "{record}"),
            LogLevel::Info => tracing::info!(target: TARGET, "{record}"),
            LogLevel::Warn => tracing::warn!(target: TARGET, "{record}"),
            LogLevel::Error | LogLevel::Critical => tracing::error!(target: TARGET, "{record}"),
        }
    }

    fn realtime_ns(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }

    fn monotonic_ns(&self) -> u64 {
        u64::try_from(started().elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn random(&self, buffer: &mut [u8]) -> bool {
        getrandom::fill(buffer).is_ok()
    }

    fn foreign_functions(&self) -> ForeignFunctions {
        enginebay_foreign::envoy()
    }
}
